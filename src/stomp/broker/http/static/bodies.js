// Bodies of messages: JSON indented and coloured, text, hexadecimal.
import { bytes, make } from "./dom.js";

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const CLOSING = { "{": "}", "[": "]" };
/** Bytes that are shown in hexadecimal, and levels of JSON that are indented. */
const HEX_BYTES = 4096;
const DEEPEST = 40;

const dataOf = (message) => message.encoding === "base64" ? Uint8Array.from(atob(message.body), (char) => char.charCodeAt(0)) : new TextEncoder().encode(message.body);

function hex(data) {
  const lines = [];
  for (let at = 0; at < Math.min(data.length, HEX_BYTES); at += 16) {
    const part = [...data.slice(at, Math.min(at + 16, HEX_BYTES))];
    const numbers = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".").join("");
    lines.push(at.toString(16).padStart(6, "0") + "  " + numbers.padEnd(48) + " " + text);
  }
  return lines.join("\n") + (data.length > HEX_BYTES ? "\n…" : "");
}

/** JSON, indented and coloured. It is not parsed: a number of 20 digits must keep them. */
function coloured(pre, text) {
  const tokens = text.match(TOKEN) || [];
  let depth = 0;
  const line = () => "\n" + "  ".repeat(Math.min(depth, DEEPEST));
  let plain = "";
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    if (CLOSING[token]) {
      plain += token;
      if (next !== CLOSING[token]) { depth += 1; plain += line(); }
    } else if (token === "}" || token === "]") {
      if (CLOSING[tokens[at - 1]] !== token) { depth -= 1; plain += line(); }
      plain += token;
    } else if (token === ",") plain += "," + line();
    else if (token === ":") plain += ": ";
    else {
      pre.append(plain, make("span", { class: next === ":" ? "key" : token[0] === '"' ? "string" : "value" }, token));
      plain = "";
    }
  });
  pre.append(plain);
}

/** The forms in which a body can be shown. */
export const formsOf = (message) => message.encoding === "json" && !message.truncated ? ["JSON", "text", "hex"] : message.encoding === "base64" ? ["hex"] : ["text", "hex"];

/** A body as an element, in one of its forms. */
export function bodyOf(message, form = formsOf(message)[0]) {
  const pre = make("pre", { tabindex: "0" });
  if (form === "hex") pre.append(hex(dataOf(message)));
  else if (form === "JSON") coloured(pre, message.body);
  else pre.append(message.body);
  if (!message.size) pre.append(make("span", { class: "faint" }, "no body"));
  if (message.truncated) pre.append(make("span", { class: "faint" }, "\n… " + bytes(message.size) + " in all"));
  return pre;
}

/** The begin of a body, in one line. */
export const preview = (message) => message.encoding === "base64" ? bytes(message.size) + " of binary data" : message.body.slice(0, 200).replace(/\s+/g, " ");
