// No answer of the server is lost as the stream of answers closes.
//
// Gradio's server ends that stream once all that was asked is answered, and its client opens another for what is asked
// next, unless it takes the old one for open still: what is asked just before the client reads of the end is never
// answered, and a pressed button looks dead. (Read in gradio 6.27 to 6.31.) So the end is not passed on while an answer
// is owed: what the client reads goes on with the next stream of the server.

export function keepAnswers(page) {
  const fetched = page.fetch.bind(page);
  const asking = new Set(); // what is being asked, as promises
  const owed = new Set(); // events that are to be answered
  const early = new Set(); // those answered before it was read that the server has taken them

  async function ask(request) {
    const asked = fetched(...request).then(async (taken) => {
      const { event_id: event } = await taken.clone().json().catch(() => ({}));
      if (event && !early.delete(event)) owed.add(event);
      return taken;
    });
    asking.add(asked);
    try {
      return await asked;
    } finally {
      asking.delete(asked);
    }
  }

  async function isEndTooSoon(message) {
    const { msg: kind, event_id: event } = parsed(message);
    if (kind === "process_completed" && !owed.delete(event)) early.add(event);
    if (kind !== "close_stream") return false;
    await Promise.allSettled([...asking]);
    return owed.size > 0;
  }

  async function stream(request) {
    const first = await fetched(...request);
    if (!first.body) return first;
    let messages = messagesOf(first.body);
    const pull = async (out) => {
      try {
        let message = await messages.next();
        while (message !== null && (await isEndTooSoon(message))) {
          messages = messagesOf((await fetched(...request)).body);
          message = await messages.next();
        }
        message === null ? out.close() : out.enqueue(new TextEncoder().encode(message));
      } catch (broken) {
        owed.clear(); // the client gives them up
        throw broken;
      }
    };
    return new Response(new ReadableStream({ pull, cancel: (why) => messages.cancel(why) }), first);
  }

  page.fetch = (...request) => {
    const { pathname } = new URL(request[0]?.url ?? request[0], page.location.href);
    if (pathname.endsWith("/queue/join")) return ask(request);
    return pathname.endsWith("/queue/data") ? stream(request) : fetched(...request);
  };
}

// The messages of a stream, each with the blank line that ends it; null after the last.
function messagesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let read = "";
  const next = async () => {
    for (let end = read.indexOf("\n\n"); end < 0; end = read.indexOf("\n\n")) {
      const { value, done } = await reader.read();
      if (done) {
        const rest = read;
        read = "";
        return rest || null;
      }
      read += value;
    }
    const message = read.slice(0, read.indexOf("\n\n") + 2);
    read = read.slice(message.length);
    return message;
  };
  return { next, cancel: (why) => reader.cancel(why) };
}

function parsed(message) {
  try {
    return JSON.parse(message.replace(/^data:/, ""));
  } catch {
    return {};
  }
}
