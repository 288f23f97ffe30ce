// Small plots of rates: two lines in one SVG element.
const SVG = "http://www.w3.org/2000/svg";

/** An empty plot. */
export function newPlot() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "plot");
  return svg;
}

/** Draw pairs of numbers (received, delivered), of which the last one is now. Returns the highest number. */
export function plot(svg, pairs, seconds) {
  const highest = Math.max(0, ...pairs.flat());
  const top = Math.max(1, highest);
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const path = (name, d) => {
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("class", name);
    element.setAttribute("d", d);
    return element;
  };
  const drawn = [path("base", "M0,99L100,99")];
  for (const [name, index] of [["in", 0], ["out", 1]]) {
    if (pairs.length < 2 || !pairs.some((pair) => pair[index])) continue;
    const step = 100 / Math.max(1, seconds - 1);
    const first = 100 - (pairs.length - 1) * step;
    const points = pairs.map((pair, at) => (first + at * step).toFixed(1) + "," + (98 - (pair[index] * 92) / top).toFixed(1)).join("L");
    drawn.push(path("area " + name, `M${first.toFixed(1)},98L${points}L100,98Z`), path("line " + name, "M" + points));
  }
  svg.replaceChildren(...drawn);
  return highest;
}
