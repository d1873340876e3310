// Shows what a terminal would show of the text in the page: characters, colours and weights.
const BASE = ["#2b2f38", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d6d9df", "#7a818e", "#ef8e95", "#b5d99c", "#f0d399", "#8cc4f5", "#d79bea", "#7fcdd6", "#ffffff"];
const FRONT = "#d6d9df";
const BACK = "#16181d";

const indexed = (n) => {
  if (n < 16) return BASE[n];
  if (n >= 232) return `rgb(${Array(3).fill(8 + 10 * (n - 232))})`;
  const level = (step) => (step === 0 ? 0 : 55 + 40 * step);
  return `rgb(${[36, 6, 1].map((unit) => level(Math.floor((n - 16) / unit) % 6))})`;
};

/** The style after the numbers of one escape sequence. */
function apply(style, codes) {
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    const color = () => (codes[++at] === 5 ? indexed(codes[++at]) : `rgb(${codes.slice(at + 1, (at += 3) + 1)})`);
    if (code === 0) style = {};
    else if (code === 1) style = { ...style, bold: true };
    else if (code === 2) style = { ...style, dim: true };
    else if (code === 3) style = { ...style, italic: true };
    else if (code === 4) style = { ...style, underline: true };
    else if (code === 7) style = { ...style, reverse: true };
    else if (code === 22) style = { ...style, bold: false, dim: false };
    else if (code === 23) style = { ...style, italic: false };
    else if (code === 24) style = { ...style, underline: false };
    else if (code === 27) style = { ...style, reverse: false };
    else if (code === 38) style = { ...style, front: color() };
    else if (code === 48) style = { ...style, back: color() };
    else if (code === 39) style = { ...style, front: undefined };
    else if (code === 49) style = { ...style, back: undefined };
    else if (code >= 30 && code < 38) style = { ...style, front: BASE[code - 30] };
    else if (code >= 40 && code < 48) style = { ...style, back: BASE[code - 40] };
    else if (code >= 90 && code < 98) style = { ...style, front: BASE[code - 82] };
    else if (code >= 100 && code < 108) style = { ...style, back: BASE[code - 92] };
  }
  return style;
}

let style = {};
const text = document.querySelector("script").textContent.replace(/^\n/, "");
for (const part of text.split(/(\x1b\[[0-9;:]*m)/)) {
  const codes = /^\x1b\[([0-9;:]*)m$/.exec(part);
  if (codes) {
    style = apply(style, codes[1].split(/[;:]/).map(Number));
    continue;
  }
  const span = document.createElement("span");
  const [front, back] = [style.front ?? FRONT, style.back];
  span.textContent = part;
  span.style.color = style.reverse ? (back ?? BACK) : front;
  if (style.reverse || back) span.style.background = style.reverse ? front : back;
  if (style.bold) span.style.fontWeight = "bold";
  if (style.italic) span.style.fontStyle = "italic";
  if (style.underline) span.style.textDecoration = "underline";
  if (style.dim) span.style.opacity = 0.6;
  document.querySelector("pre").append(span);
}
