// Draws every chart in the colours that the reader's system asks for, and again when those change.
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
  let drawn = [];
  let fitted = [];

  async function draw() {
    const theme = dark.matches ? themes.dark : themes.light;
    drawn.forEach((view) => view.finalize());
    fitted = columns();
    drawn = await Promise.all(
      charts.map((chart, i) => {
        const config = { ...theme, legend: { ...theme.legend, columns: fitted[i], labelLimit: places[i].clientWidth - 90 } };
        return window.vegaEmbed(places[i], chart, { ...options, config });
      }),
    );
    document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  }

  dark.addEventListener("change", draw);
  window.addEventListener("resize", () => {
    if (columns().join() !== fitted.join()) draw(); // widths alone are Vega's business
  });
  draw();
})();
