// The translation as words to choose from; the words of the text that the chosen one looked at are marked.

import {shares, toWords} from "./alignment.js";

const box = document.getElementById("translation");
const marks = document.getElementById("marks");
const hint = document.getElementById("hint");
const lookedAt = document.getElementById("looked-at");

const LEAST_SHARE = 0.05, MOST_TOLD = 3;

// By element, each word of the translation, and how much it looked at those of the text.
let words = new Map();
let chosen = null;
// The text, by code points.
let source = [];

box.addEventListener("pointerover", event => choose(event.target));
box.addEventListener("pointerleave", () => choose(document.activeElement));
box.addEventListener("focusin", event => choose(event.target));
box.addEventListener("focusout", () => choose(null));
box.addEventListener("keydown", move);

/** Shows the text that is to be translated, which the box of the text takes its height from. */
export function showSource(text) {
  source = Array.from(text);
  // A line break at the very end would have no height.
  marks.replaceChildren(`${text}\n`);
}

/** Shows a translation alone. */
export function showTranslation(translation) {
  words = new Map();
  chosen = null;
  box.replaceChildren(translation);
  for (const attribute of ["role", "aria-labelledby", "aria-describedby"]) box.removeAttribute(attribute);
  hint.hidden = true;
  lookedAt.textContent = "";
}

/** Shows a translation whose words can be chosen; `parts` are those of the signature `align`. */
export function showWords(translation, parts) {
  showTranslation("");
  const characters = Array.from(translation);
  let at = 0;
  for (const part of parts) {
    const sources = toWords(part.source, source);
    for (const word of toWords(part.target, characters).filter(({isEnd}) => !isEnd)) {
      box.append(characters.slice(at, word.begin).join(""), wordElement(word, sources, part.attention));
      at = word.end;
    }
  }
  box.append(characters.slice(at).join(""));
  if (words.size) offerWords();
}

function wordElement(word, sources, attention) {
  const element = document.createElement("span");
  element.textContent = word.text;
  element.setAttribute("role", "option");
  element.setAttribute("aria-selected", "false");
  element.tabIndex = words.size ? -1 : 0;
  words.set(element, {text: word.text, sources, shares: shares(attention, word, sources)});
  return element;
}

function offerWords() {
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-labelledby", "translation-label");
  box.setAttribute("aria-describedby", "hint");
  hint.hidden = false;
}

function choose(element) {
  chosen?.setAttribute("aria-selected", "false");
  chosen = words.has(element) ? element : null;
  chosen?.setAttribute("aria-selected", "true");
  hint.hidden = !words.size || Boolean(chosen);
  lookedAt.textContent = chosen ? told(words.get(chosen)) : "";
  if (chosen) mark(words.get(chosen));
  else showSource(source.join(""));
}

function told({text, sources, shares}) {
  const seen = sources
    .map((word, at) => ({name: word.isEnd ? "the end" : quoted(word.text), share: shares[at]}))
    .filter(({share}) => share >= LEAST_SHARE)
    .sort((one, other) => other.share - one.share)
    .slice(0, MOST_TOLD)
    .map(({name, share}) => `${name} ${Math.round(100 * share)}%`);
  return `${quoted(text)} looked at ${seen.join(", ") || "no word more than at others"}`;
}

function quoted(text) {
  // Isolated, so that a word of the other direction does not take what stands around it along.
  return `\u2068“${text}”\u2069`;
}

function mark({sources, shares}) {
  const children = [];
  let at = 0;
  sources.forEach(({begin, end, isEnd}, number) => {
    if (isEnd) return;
    const element = document.createElement("mark");
    element.textContent = source.slice(begin, end).join("");
    element.style.setProperty("--share", shares[number].toFixed(3));
    children.push(source.slice(at, begin).join(""), element);
    at = end;
  });
  marks.replaceChildren(...children, `${source.slice(at).join("")}\n`);
}

function move(event) {
  const elements = [...words.keys()];
  const next = elements[destination(event.key, elements.indexOf(document.activeElement), elements.length)];
  if (!next) return;
  event.preventDefault();
  for (const element of elements) element.tabIndex = element === next ? 0 : -1;
  next.focus();
}

/** The number of the word that a key leads to from another one; of most keys none. */
function destination(key, at, count) {
  const right = getComputedStyle(box).direction === "rtl" ? -1 : 1;
  const steps = {
    ArrowRight: right, ArrowLeft: -right, ArrowDown: 1, ArrowUp: -1, Home: -at, End: count - 1 - at,
  };
  return at + steps[key];
}
