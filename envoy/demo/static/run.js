// What the pages do, for a button and for the driver alike: run(id) makes one
// call and says what the page could see of the reply.
"use strict";

const demo = JSON.parse(document.getElementById("demo").textContent);

const through = (saw) => ({ through: true, saw });
const blocked = (saw) => ({ through: false, saw });

async function runFetch(call) {
  const options = {
    method: call.method,
    headers: call.headers,
    body: call.body,
    credentials: call.credentials ? "include" : "same-origin",
  };
  let reply;
  try {
    reply = await fetch(demo.api + call.path, options);
    if (call.twice) {
      await reply.text();
      reply = await fetch(demo.api + call.path, options);
    }
  } catch (error) {
    return blocked(String(error));
  }
  let body = await reply.text();
  if (reply.headers.get("Content-Type") === "application/problem+json") {
    body = `problem+json, reason: ${JSON.parse(body).reason}`;
  }
  const header = call.read ? ` ${call.read}: ${reply.headers.get(call.read)}` : "";
  return through(`${reply.status} ${body}${header}`);
}

// A font is always fetched in CORS mode. Its detailed timing is zero unless
// Timing-Allow-Origin shows it.
async function runFont(call) {
  const url = demo.api + call.path;
  performance.clearResourceTimings();
  const entry = new Promise((found) => {
    new PerformanceObserver((list, observer) => {
      const [first] = list.getEntriesByName(url);
      if (first) {
        observer.disconnect();
        found(first);
      }
    }).observe({ type: "resource" });
  });
  try {
    document.fonts.add(await new FontFace("Corsgate Demo", `url(${url})`).load());
  } catch (error) {
    return blocked(String(error));
  }
  const timing = await entry;
  const readable = timing.requestStart > 0 && timing.responseStart > 0 && timing.transferSize > 0;
  return through(`font loaded, timing ${readable ? "readable" : "hidden"}`);
}

async function runImage(call) {
  const image = new Image();
  if (call.crossOrigin) image.crossOrigin = "anonymous";
  const loaded = new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = reject;
  });
  image.src = demo.api + call.path;
  try {
    await loaded;
  } catch (event) {
    return blocked(`${event.type} event`);
  }
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  try {
    pen.getImageData(0, 0, 1, 1);
    return { ...through("image shown, pixels readable"), image };
  } catch {
    return { ...through("image shown, pixels hidden"), image };
  }
}

function runWebSocket(call) {
  return new Promise((done) => {
    const socket = new WebSocket(demo.api.replace(/^http/, "ws") + call.path);
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (event) => {
      done(through(`open, echo: ${event.data}`));
      socket.close();
    };
    socket.onclose = (event) => done(blocked(`closed ${event.code}`));
  });
}

const runners = { fetch: runFetch, font: runFont, image: runImage, websocket: runWebSocket };

async function run(id) {
  const call = demo.calls.find((each) => each.id === id);
  const result = await runners[call.kind](call);
  show(call, result);
  return { through: result.through, saw: result.saw };
}

// show puts a result into the call's card.
function show(call, result) {
  const card = document.getElementById(`call-${call.id}`);
  const ok = result.through === call.through;
  card.dataset.result = result.through ? "through" : "blocked";
  card.querySelector(".result").textContent = result.through ? "let through" : "blocked";
  card.querySelector(".surprise").hidden = ok;
  card.querySelector(".saw").textContent = result.saw;
  card.querySelector(".why").hidden = result.through;
  if (result.image) card.querySelector(".saw").append(" ", result.image);
  if (call.kind === "font" && result.through) card.querySelector(".sample").hidden = false;
}

for (const button of document.querySelectorAll("button[data-call]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    await run(button.dataset.call);
    button.disabled = false;
  });
}

document.getElementById("all").addEventListener("click", async (event) => {
  event.target.disabled = true;
  for (const call of demo.calls) await run(call.id);
  event.target.disabled = false;
});
