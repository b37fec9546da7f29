// Words, and how much of a model's attention went from one to the other.
//
// The server counts characters in code points, JavaScript in UTF-16 units: here a text is an array of code points.

const BEGINS_WITH_SPACE = /^\s/u;
const IS_PUNCTUATION = /^[\p{P}\p{S}]+$/u;
// These are written without spaces between words: there, a piece is the best that is known of a word.
const IS_UNSPACED = /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const END = "</s>";

/**
 * @typedef {object} Word
 * @property {number} begin Where it begins in its text.
 * @property {number} end Where it ends.
 * @property {string} text The word; empty for the end of the sentence.
 * @property {number[]} pieces The numbers of its pieces.
 */

/**
 * Groups the pieces of a part of a text to words.
 * @param {Array<[string, number, number]>} pieces Each with where it begins and ends.
 * @param {string[]} characters The whole text.
 * @returns {Word[]}
 */
export function toWords(pieces, characters) {
  const words = [];
  pieces.forEach(([piece, begin, end], number) => {
    const text = characters.slice(begin, end).join("");
    const isEnd = piece === END && begin === end;
    if (!words.length || isEnd || beginsWord(text)) words.push({begin, end, isEnd, pieces: []});
    const word = words.at(-1);
    word.end = end;
    word.pieces.push(number);
  });
  return words.map(word => trimmed(word, characters)).filter(word => word.text || word.isEnd);
}

function beginsWord(text) {
  return BEGINS_WITH_SPACE.test(text) || IS_PUNCTUATION.test(text) || IS_UNSPACED.test(text);
}

function trimmed(word, characters) {
  let {begin, end} = word;
  while (begin < end && !characters[begin].trim()) begin++;
  while (begin < end && !characters[end - 1].trim()) end--;
  return {...word, begin, end, text: characters.slice(begin, end).join("")};
}

/**
 * How much a word of the translation looked at each word of the text: of its pieces the mean, of the others' the sum.
 * @param {number[][]} attention A row for each piece of the translation.
 * @param {Word} word
 * @param {Word[]} sources
 * @returns {number[]} A share for each of the sources.
 */
export function shares(attention, word, sources) {
  const rows = word.pieces.map(piece => attention[piece]);
  return sources.map(source => sum(rows.map(row => sum(source.pieces.map(piece => row[piece])))) / rows.length);
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
