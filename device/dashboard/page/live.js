// One stream for all tabs: browsers allow six connections to a server, so ten tabs cannot have one each.
// The tab that holds the lock reads the stream and passes each snapshot on; when it closes, the next takes over.
// Where a browser has no locks (a page from another machine without TLS), each tab polls instead.

const SHARED = "emotion-edge/stream";
const POLL_MS = 1000; // without a shared stream
const SILENCE_MS = 4000; // after which a tab asks for itself, whoever holds the stream
const TIMEOUT_MS = 8000;
const RETRY_MS = [1000, 2000, 5000, 10000, 30000];

/**
 * Receive snapshots until the page is closed.
 *
 * @param onSnapshot called with each parsed snapshot.
 * @param onLink called with "live", "lost" (the server does not answer) or "refused" (it asks for a token).
 */
export function connect(onSnapshot, onLink) {
  const canShare = "locks" in navigator && "BroadcastChannel" in window && "EventSource" in window;
  const channel = canShare ? new BroadcastChannel(SHARED) : null;
  let lastMs = -Infinity;
  let etag = null;

  function take(json) {
    let snapshot;
    try {
      snapshot = JSON.parse(json);
    } catch {
      return; // cut off on its way; the next one is whole
    }
    lastMs = performance.now();
    onLink("live");
    onSnapshot(snapshot);
  }

  async function ask() {
    const headers = etag === null ? {} : { "If-None-Match": etag };
    let answer;
    try {
      answer = await fetch("/api/state", { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.status === 401 || answer.status === 403) return onLink("refused");
      if (answer.status === 304) {
        lastMs = performance.now();
        return onLink("live");
      }
      if (!answer.ok) return onLink("lost");
      const json = await answer.text();
      etag = answer.headers.get("ETag");
      return take(json);
    } catch {
      return onLink("lost");
    }
  }

  async function poll() {
    const silent = performance.now() - lastMs >= (canShare ? SILENCE_MS : POLL_MS);
    if (!document.hidden && silent) await ask();
    setTimeout(poll, POLL_MS);
  }

  if (canShare) {
    channel.onmessage = ({ data }) => take(data);
    const lead = () => new Promise(() => readStream((json) => (take(json), channel.postMessage(json))));
    navigator.locks.request(SHARED, lead).catch(() => {}); // without the lock, the tab polls
  }
  document.addEventListener("visibilitychange", () => !document.hidden && ask());
  poll();
}

/** Read the server's stream; open it again with growing waits when the server refuses it. */
function readStream(onState, failures = 0) {
  const source = new EventSource("/api/stream");
  let failed = failures;
  source.addEventListener("state", (event) => {
    failed = 0;
    onState(event.data);
  });
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
    const waitMs = RETRY_MS[Math.min(failed, RETRY_MS.length - 1)];
    setTimeout(() => readStream(onState, failed + 1), waitMs);
  };
}
