// What the server answers, or an error that says in words why it did not.

const KEY = "nmt-api-key";

export class ServiceError extends Error {
  /**
   * @param {string} message What to tell the user.
   * @param {boolean} passes Whether it may be otherwise soon, with nobody doing anything.
   * @param {boolean} needsKey Whether it takes another key.
   */
  constructor(message, passes = false, needsKey = false) {
    super(message);
    this.passes = passes;
    this.needsKey = needsKey;
  }
}

/** Sends a key along from now on, until the tab is closed. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/**
 * The models that are served.
 * @returns {Promise<Array<{name: string, version: ?number, signatures: string[],
 *   languages: {source?: ?string, target?: ?string}}>>}
 */
export function listModels(signal) {
  return ask("page/models", {signal});
}

/** What one signature of a model's newest version answers for a text. */
export async function predict(model, signature, text, signal) {
  const answer = await ask(`v1/models/${encodeURIComponent(model)}:predict`, {
    signal,
    method: "POST",
    body: JSON.stringify({signature_name: signature, instances: [text]}),
  });
  return answer.predictions[0];
}

async function ask(path, request) {
  const {ok, status, body} = await exchange(path, request);
  // Whoever asked may have given up without the network having noticed.
  request.signal.throwIfAborted();
  const told = parse(body);
  if (!ok) throw refusal(status, told?.error ?? body);
  if (told === undefined) throw new ServiceError("The server gave an answer that cannot be read.");
  return told;
}

async function exchange(path, request) {
  const key = sessionStorage.getItem(KEY);
  const headers = {"Content-Type": "application/json", ...(key && {Authorization: `Bearer ${key}`})};
  try {
    const response = await fetch(path, {...request, headers});
    return {ok: response.ok, status: response.status, body: await response.text()};
  } catch {
    request.signal.throwIfAborted();
    throw new ServiceError("The server cannot be reached. Trying again…", true);
  }
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function refusal(status, told) {
  switch (status) {
    case 401:
      return new ServiceError(
        sessionStorage.getItem(KEY) ? "The server does not know this key." : "The server asks for a key.", false, true);
    case 404:
      return new ServiceError("The server has no version of this model at the moment. Trying again…", true);
    case 413:
      return new ServiceError("The text is too long for this server.");
    case 503:
      return new ServiceError("The server is busy. Trying again…", true);
    case 504:
      return new ServiceError("The server needed too long for this text.");
    default:
      // A graph's own message stands in brackets.
      return new ServiceError(`The server refused (${status}): ${/\[(text: [^\]]*)\]/.exec(told)?.[1] ?? told}`);
  }
}
