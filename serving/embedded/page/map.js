// The attention between all pieces, as a table of one part of the text at a time.

const section = document.getElementById("attention");
const choice = document.getElementById("part-choice");
const select = document.getElementById("part");
const table = document.getElementById("map");

const NAME_LENGTH = 30;

let parts = [];

select.addEventListener("change", draw);
section.addEventListener("toggle", draw);

/** Shows the parts of the signature `align`; without any, nothing. */
export function showMap(translation, shown) {
  parts = shown;
  section.hidden = !parts.length;
  choice.hidden = parts.length < 2;
  const characters = Array.from(translation);
  select.replaceChildren(...parts.map((part, number) => new Option(name(part, number, characters), number)));
  draw();
}

function name({target}, number, characters) {
  const text = characters.slice(target[0][1], target.at(-1)[2]).join("");
  return `${number + 1}: ${text.length > NAME_LENGTH ? `${text.slice(0, NAME_LENGTH)}…` : text}`;
}

function draw() {
  // A table that nobody sees is not worth its time.
  const part = section.open ? parts[select.value] : undefined;
  table.replaceChildren(...(part ? [head(part), body(part)] : []));
}

function head({source}) {
  const row = document.createElement("tr");
  row.append(document.createElement("td"), ...source.map(([piece]) => header(piece, "col")));
  return wrapped("thead", row);
}

function body({target, attention}) {
  return wrapped("tbody", ...attention.map((weights, number) => {
    const row = document.createElement("tr");
    row.append(header(target[number][0], "row"), ...weights.map(cell));
    return row;
  }));
}

function wrapped(tag, ...rows) {
  const made = document.createElement(tag);
  made.append(...rows);
  return made;
}

function header(piece, scope) {
  const made = document.createElement("th");
  const text = document.createElement("bdi");
  text.textContent = piece;
  made.append(text);
  made.scope = scope;
  return made;
}

function cell(weight) {
  const made = document.createElement("td");
  made.textContent = Math.round(100 * weight) || "";
  made.style.setProperty("--share", weight);
  return made;
}
