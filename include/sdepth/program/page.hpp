// What the pages that programs write have in common: one file each, which loads nothing and runs no script.
#pragma once

#include <string>

#include <sdepth/core/config.hpp>
#include <sdepth/program/chart.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Light colours first, dark ones where the reader's system asks for them. Each curve keeps its hue in both,
/// at least 3:1 from the page.
inline constexpr const char* page_style = R"(<style>
:root {
  color-scheme: light dark;
  --page: #f6f6f4; --card: #fff; --ink: #1c1c1a; --soft: #62625c; --line: #dcdcd6;
  --train: #2a6fd0; --validation: #d2621c; --test: #138a5e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #151514; --card: #1f1f1d; --ink: #f0f0ea; --soft: #a5a59c; --line: #3a3a36;
    --train: #6aa5f2; --validation: #ee8a4a; --test: #3fbf8c;
  }
}
body {
  margin: 0 auto; padding: 24px 16px; max-width: 1160px;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
}
h1 { font-size: 24px; margin: 0 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0; }
.figures, .charts { display: grid; gap: 16px; margin-bottom: 16px; }
.figures { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); }
.figures div, figure, .facts { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; margin: 0; }
.figures b { display: block; font-size: 24px; font-weight: 600; }
.figures span, .key, .none, th { color: var(--soft); }
.key { display: inline-block; margin-right: 16px; }
.key i { display: inline-block; width: 18px; height: 3px; margin-right: 6px; vertical-align: middle; background: var(--hue); }
.train { --hue: var(--train); }
.validation { --hue: var(--validation); }
.test { --hue: var(--test); }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--soft); }
.grid { stroke: var(--line); }
.tick { stroke: var(--soft); }
.mark { stroke: var(--soft); stroke-dasharray: 4 4; }
.curve { fill: none; stroke: var(--hue); stroke-width: 2; stroke-linejoin: round; }
.average { stroke-dasharray: 6 3; }
circle { fill: var(--hue); }
.strip { fill: transparent; }
.strip:hover { fill: var(--soft); fill-opacity: .15; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 16px 4px 0; overflow-wrap: anywhere; }
th { font-weight: 400; width: 25%; }
.network, .confusion, .mistakes { margin-bottom: 16px; overflow-x: auto; }
.block { display: inline-block; width: 10px; height: 10px; margin-right: 2px; background: var(--train); }
.confusion th, .confusion td { width: auto; padding: 4px 8px; overflow-wrap: normal; }
.confusion td { background: color-mix(in srgb, var(--validation) calc(100% * var(--share, 0)), transparent); }
.confusion .right { background: color-mix(in srgb, var(--test) calc(60% * var(--share, 0)), transparent); }
.mistakes div { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); }
.mistakes span { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.mistakes img { display: block; width: 64px; height: 64px; object-fit: contain; image-rendering: pixelated; }
.mistakes b { display: block; color: var(--ink); }
.mistakes .wrong b { color: var(--validation); }
</style>
)";

/// All before a page's first part; what follows ends in </body></html>.
[[nodiscard]] inline std::string page_head(const std::string& title) {
  std::string html = "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n";
  html += "<meta name='viewport' content='width=device-width, initial-scale=1'>\n";
  return html + "<title>" + escaped(title) + "</title>\n" + page_style + "</head>\n<body>\n<h1>" +
         escaped(title) + "</h1>\n";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
