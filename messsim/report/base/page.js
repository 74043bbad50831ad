// Draws every chart in the colours that the reader's system asks for, and again when those change; for paper
// in light ones, as wide as a page.
"use strict";
(() => {
  const { charts, themes } = JSON.parse(document.getElementById("charts").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = {
    actions: false,
    ast: true, // expressions are interpreted: the page's policy allows no code made from text
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  };
  const places = charts.map((_, i) => document.getElementById(`chart-${i}`));
  // As many names side by side in a legend as there is room for, at about 7 pixels a letter.
  const columns = () =>
    places.map((place, i) => {
      const one = 7 * charts[i].usermeta.longest + 36;
      return Math.max(1, Math.floor((place.clientWidth - Math.max(60, charts[i].usermeta.aside + 16)) / one));
    });
  let paper = false;
  let drawn = [];
  let fitted = [];

  async function draw() {
    const name = dark.matches && !paper ? "dark" : "light";
    const theme = themes[name];
    drawn.forEach((view) => view.finalize());
    fitted = columns();
    drawn = await Promise.all(
      charts.map((chart, i) => {
        const layout = { top: { direction: "vertical" } }; // several legends one below the other
        const fitting = { columns: fitted[i], labelLimit: places[i].clientWidth - 90, layout };
        const config = { ...theme, legend: { ...theme.legend, ...fitting } };
        return window.vegaEmbed(places[i], chart, { ...options, config });
      }),
    );
    document.documentElement.dataset.drawn = name;
  }

  dark.addEventListener("change", draw);
  const print = (whether) => () => {
    paper = whether;
    document.body.style.width = paper ? "44rem" : "";
    draw();
  };
  window.addEventListener("beforeprint", print(true));
  window.addEventListener("afterprint", print(false));
  window.addEventListener("resize", () => {
    if (columns().join() !== fitted.join()) draw(); // widths alone are Vega's business
  });
  draw();
})();
