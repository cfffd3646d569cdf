#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A terminal screen with ANSI colours (stdin, as `tmux capture-pane -e -p` gives it) as an SVG on
stdout. Knows SGR only: bold, dim, inverse, the 16 colours, 256-colour numbers below 16."""
import html
import re
import sys

PALETTE = ["#3b4252", "#e06c75", "#7fb069", "#d9a441", "#61a0d8", "#b57edc", "#4fb3bf", "#d8dee9",
           "#6b7280", "#ff7b85", "#98d085", "#f0c060", "#82bdf0", "#d0a0f5", "#70d0dc", "#ffffff"]
FORE, BACK = "#d8dee9", "#14171c"
CHAR, LINE, SIZE, PAD = 8.43, 18, 14, 14


def apply(state, codes):
    codes = [int(c or 0) for c in codes.split(";")]
    while codes:
        c = codes.pop(0)
        if c == 0:
            state.update(fg=None, bg=None, bold=False, dim=False, inverse=False)
        elif c == 1:
            state["bold"] = True
        elif c == 2:
            state["dim"] = True
        elif c == 22:
            state.update(bold=False, dim=False)
        elif c in (7, 27):
            state["inverse"] = c == 7
        elif 30 <= c <= 37 or 90 <= c <= 97:
            state["fg"] = c - 30 if c < 90 else c - 82
        elif 40 <= c <= 47 or 100 <= c <= 107:
            state["bg"] = c - 40 if c < 100 else c - 92
        elif c in (39, 49):
            state["fg" if c == 39 else "bg"] = None
        elif c in (38, 48) and codes[:1] == [5]:
            state["fg" if c == 38 else "bg"] = codes[1] % 16
            codes = codes[2:]


def spans(line, state):
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            apply(state, part[2:-1])
        elif part:
            yield part, dict(state)


def draw(lines):
    width = max((len(re.sub(r"\x1b\[[0-9;]*m", "", l)) for l in lines), default=0)
    w, h = width * CHAR + 2 * PAD, len(lines) * LINE + 2 * PAD
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h:.0f}" font-size="{SIZE}" '
           f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
           f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>']
    state = dict(fg=None, bg=None, bold=False, dim=False, inverse=False)
    for y, line in enumerate(lines):
        x = 0
        for text, s in spans(line, state):
            fg = FORE if s["fg"] is None else PALETTE[s["fg"]]
            bg = None if s["bg"] is None else PALETTE[s["bg"]]
            if s["inverse"]:
                fg, bg = bg or BACK, fg
            left = PAD + x * CHAR
            if bg:
                out.append(f'<rect x="{left:.1f}" y="{PAD + y * LINE}" width="{len(text) * CHAR:.1f}" '
                           f'height="{LINE}" fill="{bg}"/>')
            if text.strip():
                style = ' font-weight="bold"' if s["bold"] else ""
                style += ' opacity="0.6"' if s["dim"] else ""
                out.append(f'<text x="{left:.1f}" y="{PAD + y * LINE + SIZE}" fill="{fg}"{style} '
                           f'textLength="{len(text) * CHAR:.1f}" xml:space="preserve">'
                           f'{html.escape(text)}</text>')
            x += len(text)
    return "\n".join(out + ["</svg>"])


if __name__ == "__main__":
    print(draw(sys.stdin.read().rstrip("\n").split("\n")))
