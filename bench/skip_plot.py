#!/usr/bin/env python3
"""Draws docs/skip.svg from the results of the benchmarks skip/*.

    build/release/bench/bench --benchmark_filter='^skip/' --benchmark_out=skip.json
    bench/skip_plot.py skip.json docs/skip.svg [--note TEXT]

One panel for each network: the time of a step with drawn gates as a share of one with every block open (points), and the ideal, in which closed blocks
cost nothing (lines); one tick for each survival probability of the last block.
"""
import argparse
import json
import re
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 340, 300, 46, 328, 44, 244
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #444 }
.title { font-weight: 600; fill: #111 } .small { font-size: 11px }
.grid { stroke: #ddd } .ideal { fill: none; stroke: #888; stroke-width: 1.5; stroke-dasharray: 5 4 } .measured { fill: #1f6fb4 }
@media (prefers-color-scheme: dark) { text { fill: #bbb } .title { fill: #eee } .grid { stroke: #444 } .measured { fill: #6db3f2 } }
"""


def rows_of(path):
    """Per network its rows in falling survival: (survival, share of the all-open step, ideal share, efficiency or None)."""
    networks = {}
    for row in json.load(open(path))["benchmarks"]:
        if match := re.match(r"skip/(resnet\d+)/survival:([0-9.]+)", row["name"]):
            networks.setdefault(match[1], []).append(
                (float(match[2]), row["of_all_open"], row["ideal_of_all_open"], row.get("efficiency")))
    return {name: sorted(rows, reverse=True) for name, rows in networks.items()}


def panel(name, rows, left):
    """One network's chart, `left` from the picture's edge."""
    x = lambda survival: LEFT + (RIGHT - LEFT) * (0.04 + 0.92 * (1 - survival))
    y = lambda share: BOTTOM - (BOTTOM - TOP) * share / 1.1
    svg = [f'<g transform="translate({left} 0)"><text class="title" x="{LEFT}" y="18">ResNet-{name[6:]}: time of a step</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        svg.append(f'<path class="grid" d="M{LEFT} {y(share):.1f}H{RIGHT}"/>')
        svg.append(f'<text x="{LEFT - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    svg.append('<path class="ideal" d="' + "".join(f"{'L' if i else 'M'}{x(p):.1f} {y(r):.1f}" for i, (p, _, r, _) in enumerate(rows)) + '"/>')
    for survival, share, _, efficiency in rows:
        svg.append(f'<circle class="measured" cx="{x(survival):.1f}" cy="{y(share):.1f}" r="4"/>')
        svg.append(f'<text x="{x(survival):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{survival:g}</text>')
        label = f"{share:.0%}" if efficiency is None else f"{share:.0%}, efficiency {efficiency:.2f}"
        anchor = "start" if survival > 0.9 else "end" if survival < 0.3 else "middle"
        svg.append(f'<text class="small" x="{x(survival):.1f}" y="{y(share) - 10:.1f}" text-anchor="{anchor}">{escape(label)}</text>')
    svg.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 36}" text-anchor="middle">survival probability of the last block</text></g>')
    return svg


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", help="JSON of the benchmark program")
    parser.add_argument("svg", help="the picture to write")
    parser.add_argument("--note", default="", help="a line below, such as the machine")
    arguments = parser.parse_args()
    networks = rows_of(arguments.results)
    if not networks:
        parser.error(f"{arguments.results} has no rows skip/NET/survival:P; run the program with --benchmark_filter='^skip/'")
    width = WIDTH * len(networks)
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img">']
    svg += [f"<title>Time of a training step with stochastic depth, by survival probability</title><style>{STYLE}</style>"]
    for i, name in enumerate(sorted(networks, key=lambda name: int(name[6:]))):
        svg += panel(name, networks[name], i * WIDTH)
    legend = "points: measured, as a share of a step with every block open; dashed: closed blocks cost nothing" + (f"; {arguments.note}" if arguments.note else "")
    svg.append(f'<text class="small" x="8" y="{HEIGHT - 6}">{escape(legend)}</text></svg>')
    with open(arguments.svg, "w", encoding="utf-8") as file:
        file.write("\n".join(svg) + "\n")


if __name__ == "__main__":
    main()
