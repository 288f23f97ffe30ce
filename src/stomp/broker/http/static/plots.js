// Small plots of rates: two lines in one SVG element.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

/** Draw the pairs of numbers (received, delivered) into an SVG element; `seconds` is the width of the plot. */
function plot(svg, pairs, seconds) {
  const highest = Math.max(1, ...pairs.map((pair) => Math.max(pair[0], pair[1])));
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const lines = ["in", "out"].map((name, index) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    const points = pairs.map((pair, at) => {
      const x = 100 - ((pairs.length - 1 - at) * 100) / Math.max(1, seconds - 1);
      return x.toFixed(1) + "," + (97 - (pair[index] * 92) / highest).toFixed(1);
    });
    path.setAttribute("d", points.length > 1 ? "M" + points.join("L") : "");
    return path;
  });
  svg.replaceChildren(...lines);
}
