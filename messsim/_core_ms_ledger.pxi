@property
def alpha(self) -> float:
    return self.c.alpha

@property
def discount(self) -> float:
    return self.c.discount

@property
def window(self) -> int:
    return self.c.window

@property
def queue(self) -> float:
    return self.c.queue

@property
def plain(self) -> float:
    return self.c.plain

@property
def plain_max(self) -> float:
    return self.c.plain_max

@property
def rated(self) -> int:
    return self.c.rated

@property
def satisfied(self) -> float:
    return self.c.satisfied

@property
def promised(self) -> float:
    return self.c.promised

@property
def averaged(self) -> int:
    return self.c.averaged

@property
def recent_sum(self) -> float:
    return self.c.recent_sum

