// What is typed is translated: the newest text alone counts, and what may pass is tried again.

import {showMap} from "./map.js";
import {ServiceError, listModels, predict, useKey} from "./service.js";
import {showSource, showTranslation, showWords} from "./words.js";

const byId = id => document.getElementById(id);

// Milliseconds: after the last key; between two tries, doubled each time; before a screen reader is told.
const TYPING_PAUSE = 250, FIRST_RETRY = 1000, LONGEST_RETRY = 15000, TELLING_PAUSE = 700;

let newest = new AbortController();
let models = null;
let translation = "";
let retry = FIRST_RETRY;
let timer, tellingTimer;

byId("text").addEventListener("input", () => {
  begin();
  schedule(TYPING_PAUSE);
});
byId("model").addEventListener("change", translate);
byId("key-form").addEventListener("submit", event => {
  event.preventDefault();
  enterKey(byId("key").value.trim());
});
window.addEventListener("online", translate);
// A browser may have kept a text over a reload.
translate();

/** Voids whatever is under way, and shows the text without what belonged to the text before it. */
function begin() {
  newest.abort();
  newest = new AbortController();
  clearTimeout(timer);
  showSource(text());
  showTranslation(translation);
  showMap("", []);
  byId("translation").setAttribute("aria-busy", "true");
}

function schedule(milliseconds) {
  timer = setTimeout(translate, milliseconds);
}

function text() {
  // The server refuses half of a surrogate pair, and counts characters in the composed form.
  return byId("text").value.replace(/\p{Surrogate}/gu, "\ufffd").normalize("NFC");
}

async function translate() {
  begin();
  const {signal} = newest;
  try {
    models ??= await offerModels(signal);
    await show(models[byId("model").selectedIndex], signal);
    retry = FIRST_RETRY;
    tell("");
  } catch (error) {
    if (!signal.aborted) recover(error);
  } finally {
    if (!signal.aborted) byId("translation").setAttribute("aria-busy", "false");
  }
}

async function offerModels(signal) {
  const found = await listModels(signal);
  const before = byId("model").value;
  byId("model").replaceChildren(...found.map(({name}) => new Option(name, name, false, name === before)));
  byId("choice").hidden = found.length < 2;
  byId("key-form").hidden = true;
  return found;
}

async function show({name, signatures, languages}, signal) {
  // For screen readers; empty where it is not known, as the page's own would be wrong.
  for (const id of ["text", "marks"]) byId(id).lang = languages.source ?? "";
  for (const id of ["translation", "announcement", "best-list"]) byId(id).lang = languages.target ?? "";
  const wanted = text();
  if (!wanted.trim()) {
    showBest([], []);
    return;
  }
  if (signatures.includes("nbest")) {
    const {translations, scores} = await predict(name, "nbest", wanted, signal);
    showBest(translations, scores);
  } else {
    showBest([await predict(name, "serving_default", wanted, signal)], []);
  }
  if (signatures.includes("align")) {
    const aligned = await predict(name, "align", wanted, signal);
    const parts = JSON.parse(aligned.alignment);
    showWords(aligned.translation, parts);
    showMap(aligned.translation, parts);
  }
}

function showBest(translations, scores) {
  translation = translations[0] ?? "";
  showTranslation(translation);
  byId("best").hidden = translations.length < 2;
  byId("best-list").replaceChildren(...translations.map((each, at) => bestItem(each, scores[at])));
  clearTimeout(tellingTimer);
  tellingTimer = setTimeout(() => { byId("announcement").textContent = translation; }, TELLING_PAUSE);
}

function bestItem(each, score) {
  const item = document.createElement("li"), shown = document.createElement("span"), data = document.createElement("data");
  shown.textContent = each;
  shown.dir = "auto";
  data.value = score;
  data.textContent = score?.toFixed(2).replace("-", "−");
  item.append(shown, " ", data);
  return item;
}

function recover(error) {
  // What serves may be another after this.
  models = null;
  showBest([], []);
  tell(error instanceof ServiceError ? error.message : `This page has failed: ${error.message}`);
  byId("key-form").hidden = !error.needsKey;
  if (error.needsKey) byId("key").focus();
  if (!error.passes) return;
  schedule(retry);
  retry = Math.min(2 * retry, LONGEST_RETRY);
}

function tell(message) {
  // Set anew, a message would be read out again.
  if (byId("message").textContent !== message) byId("message").textContent = message;
}

function enterKey(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) {
    tell("A key has letters, digits and signs of ASCII, and no spaces.");
    return;
  }
  useKey(key);
  byId("key").value = "";
  translate();
  byId("text").focus();
}
