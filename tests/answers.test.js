// The stream of answers, without a browser: node --test tests/
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const answers = import("../cotdemo/ui/web/answers.js");

const told = (msg, event_id) => `data: ${JSON.stringify({ msg, event_id })}\n\n`;

// A page whose server answers each question for a stream with the next of `streams`, a list of parts.
async function pageOf(streams) {
  const { keepAnswers } = await answers;
  const opened = [];
  const page = {
    location: { href: "http://here/" },
    fetch: async (address) => {
      if (address.includes("/queue/join")) return new Response(JSON.stringify({ event_id: address.split("?")[1] }));
      if (!address.includes("/queue/data")) return new Response("else");
      opened.push(address);
      return new Response(new ReadableStream({
        start(out) {
          for (const part of streams.shift()) out.enqueue(new TextEncoder().encode(part));
          out.close();
        },
      }));
    },
  };
  keepAnswers(page);
  return { page, opened };
}

test("the end is passed on where nothing is owed, in whatever parts it comes", async () => {
  const all = told("process_completed", "a") + told("close_stream");
  for (const parts of [[all], [...all], [all.slice(0, 20), all.slice(20)]]) {
    const { page, opened } = await pageOf([parts]);
    await page.fetch("/queue/join?a");
    assert.equal(await (await page.fetch("/queue/data")).text(), all);
    assert.equal(opened.length, 1);
  }
});

test("an end before the answer is not passed on, and the next stream follows", async () => {
  const { page, opened } = await pageOf([
    [told("process_completed", "a"), told("close_stream")],
    [told("close_stream")],
    [told("process_completed", "b"), told("close_stream")],
  ]);
  await page.fetch("/queue/join?a");
  await page.fetch("/queue/join?b");
  const read = await (await page.fetch("/queue/data")).text();
  assert.equal(read, told("process_completed", "a") + told("process_completed", "b") + told("close_stream"));
  assert.equal(opened.length, 3);
});

test("an answer that is read before the server's word that it has the question is no longer owed", async () => {
  const { page } = await pageOf([[told("process_completed", "a"), told("close_stream")], [told("close_stream")]]);
  await (await page.fetch("/queue/data")).text();
  await page.fetch("/queue/join?a");
  assert.equal(await (await page.fetch("/queue/data")).text(), told("close_stream"));
});

test("all else is fetched as before, and what is no message is passed on", async () => {
  const { page } = await pageOf([["broken"]]);
  assert.equal(await (await page.fetch("/else")).text(), "else");
  assert.equal(await (await page.fetch("/queue/data")).text(), "broken");
});
