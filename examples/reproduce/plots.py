"""Charts as SVG text, without a library: curves over epochs or probabilities, and a table of shades. They are readable on light and dark pages."""

import math
from html import escape

COLOURS = ("#2a6fd0", "#d2621c", "#138a5e", "#8a4fc0", "#b08a00", "#c03060")
LEFT, RIGHT, TOP, BOTTOM = 62, 628, 54, 300
STYLE = ("<style>text{font:12px system-ui,sans-serif;fill:#55554f}.t{font-size:14px;fill:#1c1c1a}.g{stroke:#dcdcd6;fill:none}"
         ".m{stroke:#8c8c86;stroke-dasharray:4 4;fill:none}.c{fill:none;stroke-width:2;stroke-linejoin:round}.s{stroke-width:1;opacity:.4}</style>")


def _drawable(value):
    return math.isfinite(value)


def _short(value):
    return f"{value:.6g}"


def _ticks(low, high, log):
    """Round values that reach from below `low` to above `high`."""
    if log:
        wide = high > 1e3 * low
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        all_ticks = [factor * 10.0**power for power in powers for factor in ((1,) if wide else (1, 2, 5))]
        first = max(tick for tick in all_ticks if tick <= low * (1 + 1e-9))
        last = min((tick for tick in all_ticks if tick >= high * (1 - 1e-9)), default=all_ticks[-1])
        return [tick for tick in all_ticks if first <= tick <= last]
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * max(1e-3, abs(low)), high + 0.5 * max(1e-3, abs(high))
    step = 10.0 ** math.floor(math.log10((high - low) / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 6)
    return [step * i for i in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def _frame(title, unit, x_unit, body, height=346):
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 640 {height}' width='640' height='{height}' role='img' aria-label='{escape(title, True)}'>"
            f"{STYLE}<rect width='640' height='{height}' rx='8' fill='#fff'/>\n<text class='t' x='12' y='20'>{escape(title)}</text>"
            f"<text x='12' y='38'>{escape(unit)}</text><text x='{RIGHT}' y='{height - 8}' text-anchor='end'>{escape(x_unit)}</text>\n{body}</svg>\n")


def line_chart(title, unit, x_unit, curves, marks=(), may_be_log=False, whole_x=True):
    """Curves with axes and a legend; None where there is nothing to draw.

    curves: (name, lines, spread): lines are lists of (x, y); the first is drawn bold, the others, the seeds say, thin. spread: {x: ±y} of the first.
    marks: values of x with a dashed line.
    """
    curves = [(name, [[p for p in line if _drawable(p[1])] for line in lines], spread) for name, lines, spread in curves]
    points = [p for _, lines, spread in curves for line in lines for p in line]
    points += [(x, y + sign * spread[x]) for _, lines, spread in curves for x, y in lines[0] if x in spread for sign in (-1, 1)]
    if not points:
        return None
    low, high = min(y for _, y in points), max(y for _, y in points)
    log = may_be_log and low > 0 and high >= 20 * low
    ticks = _ticks(low, high, log)
    place = math.log if log else float
    bottom, top = place(ticks[0]), place(ticks[-1])
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    if first == last:
        first, last = first - 0.5, last + 0.5

    def x_of(x):
        return f"{LEFT + (RIGHT - LEFT) * (x - first) / (last - first):.1f}"

    def y_of(y):
        return f"{BOTTOM - (BOTTOM - TOP) * (place(y) - bottom) / (top - bottom):.1f}"

    body = ""
    for tick in ticks:
        body += f"<path class='g' d='M{LEFT} {y_of(tick)}H{RIGHT}'/><text x='{LEFT - 6}' y='{y_of(tick)}' dy='4' text-anchor='end'>{_short(tick)}</text>\n"
    x_ticks = [x for x in _ticks(first, last, False) if first <= x <= last and (not whole_x or x == int(x))] or [p[0] for p in points[:1]]
    for tick in x_ticks:
        body += f"<path class='g' d='M{x_of(tick)} {BOTTOM}v5'/><text x='{x_of(tick)}' y='{BOTTOM + 20}' text-anchor='middle'>{_short(tick)}</text>\n"
    for mark in marks:
        body += f"<path class='m' d='M{x_of(mark)} {TOP}V{BOTTOM}'/>\n"
    key_x = RIGHT
    for (name, lines, spread), colour in reversed(list(zip(curves, COLOURS * len(curves)))):
        for i, line in enumerate(lines):
            path = "L".join(f"{x_of(x)} {y_of(y)}" for x, y in line)
            if line:
                body += f"<path class='c{' s' if i else ''}' stroke='{colour}' d='M{path}'/>\n"
        if len(lines[0]) <= 20:
            body += "".join(f"<circle cx='{x_of(x)}' cy='{y_of(y)}' r='3' fill='{colour}'/>" for x, y in lines[0])
        for x, y in lines[0]:
            if x in spread and _drawable(spread[x]) and not (log and spread[x] >= y):
                body += f"<path class='c' stroke='{colour}' d='M{x_of(x)} {y_of(y - spread[x])}V{y_of(y + spread[x])}'/>"
        key_x -= 7 * len(name) + 30
        body += f"<path class='c' stroke='{colour}' d='M{key_x} 34h16'/><text x='{key_x + 20}' y='38'>{escape(name)}</text>\n"
    return _frame(title, unit + (", logarithmic" if log else ""), x_unit, body)


def shade_chart(title, unit, x_unit, columns, rows, values):
    """A table whose cells are the darker, the higher their value. values: {(row, column): value}, not all need be there."""
    if not values:
        return None
    low, high = min(values.values()), max(values.values())
    width, height = (RIGHT - LEFT - 30) / len(columns), min(60.0, (BOTTOM - TOP) / len(rows))
    body = ""
    for r, row in enumerate(rows):
        y = TOP + r * height
        body += f"<text x='{LEFT + 24}' y='{y + height / 2:.1f}' dy='4' text-anchor='end'>{escape(str(row))}</text>"
        for c, column in enumerate(columns):
            if (row, column) not in values:
                continue
            value, x = values[row, column], LEFT + 30 + c * width
            dark = (value - low) / (high - low) if high > low else 0.0
            fill = "#" + "".join(f"{round(a + dark * (b - a)):02x}" for a, b in zip((0xee, 0xf4, 0xfd), (0x1f, 0x4f, 0x96)))
            body += f"<rect x='{x:.1f}' y='{y:.1f}' width='{width - 2:.1f}' height='{height - 2:.1f}' fill='{fill}'/>"
            ink = "#fff" if dark > 0.55 else "#1c1c1a"
            body += f"<text x='{x + width / 2:.1f}' y='{y + height / 2:.1f}' dy='4' text-anchor='middle' style='fill:{ink}'>{value:.2f}</text>\n"
    for c, column in enumerate(columns):
        body += f"<text x='{LEFT + 30 + (c + 0.5) * width:.1f}' y='{TOP + len(rows) * height + 18:.1f}' text-anchor='middle'>{_short(column)}</text>"
    return _frame(title, unit, x_unit, body, round(TOP + len(rows) * height) + 46)
