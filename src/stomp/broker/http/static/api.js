// Requests to the broker, and what the page says to the user.
import { $, make } from "./dom.js";

/** Called when a request needs a login. */
export const hooks = { onLoginNeeded: () => {} };

export async function api(method, path, fields) {
  const options = { method, headers: {} };
  if (fields !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(fields);
  }
  const response = await fetch("api/v1" + path, options);
  const answer = await response.json();
  if (response.status === 401 && path !== "/login") hooks.onLoginNeeded(answer.error);
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Do something; show its error, and return null then. */
export async function attempt(action) {
  try {
    notice("");
    return await action();
  } catch (error) {
    notice(error.message);
    return null;
  }
}

export function notice(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = !text;
}

/** Ask a question; returns true, the text of the input, or null. */
export function ask(text, value) {
  const dialog = $("ask"), input = $("ask-value");
  $("ask-text").textContent = text;
  input.hidden = value === undefined;
  input.value = value || "";
  dialog.returnValue = "";
  dialog.showModal();
  if (value !== undefined) input.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue !== "yes" ? null : value === undefined ? true : input.value);
  }, { once: true }));
}

export async function copy(text, control) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS or on an old browser there is no clipboard.
    await ask("Copy this text", text);
    return;
  }
  if (!control || control.dataset.text) return;
  control.dataset.text = control.textContent;
  control.textContent = "copied";
  setTimeout(() => { control.textContent = control.dataset.text; delete control.dataset.text; }, 900);
}

/** The command that sends a message. */
export function command(destination, headers, message) {
  const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
  const words = ["stomp", "send"];
  for (const [name, value] of Object.entries(headers)) {
    if (!["content-length", "destination", "message-id", "subscription"].includes(name)) words.push("--header", quoted(`${name}:${value}`));
  }
  words.push("--", quoted(destination), quoted(message.body));
  if (message.encoding !== "base64") return words.join(" ");
  words.splice(-1, 1, "-");
  return `printf %s ${quoted(message.body)} | base64 -d | ${words.join(" ")}`;
}
