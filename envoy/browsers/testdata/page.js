// Runs this page's cases and hands the results back to the server.
"use strict";

const callLimit = 30_000; // for one call, in milliseconds
const atOnce = 12; // cases

// pairs are a header list as JSON has it: each byte of a value is one character.
const pairs = (headers) => [...headers].map(([name, value]) => [name, value]);

async function viaFetch(call) {
	const init = {
		method: call.method, headers: call.headers, mode: call.mode, credentials: call.credentials,
		redirect: call.redirect,
	};
	if (call.referrerPolicy) init.referrerPolicy = call.referrerPolicy;
	if (call.body) init.body = new Uint8Array([120]); // It brings no Content-Type along.
	const response = await fetch(call.url, init);
	if (response.type.startsWith("opaque")) return { access: "opaque" };
	const body = await response.text();
	return { access: "readable", headers: pairs(response.headers), body };
}

function viaXHR(call) {
	return new Promise((resolve, reject) => {
		const xhr = new XMLHttpRequest();
		xhr.open(call.method, call.url);
		xhr.withCredentials = call.credentials === "include";
		for (const [name, value] of call.headers) xhr.setRequestHeader(name, value);
		if (call.upload) xhr.upload.addEventListener("progress", () => {});
		xhr.onerror = () => reject(new Error("error"));
		xhr.onload = () => {
			const lines = xhr.getAllResponseHeaders().split("\r\n").filter(Boolean);
			const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
			resolve({ access: "readable", headers, body: xhr.responseText });
		};
		xhr.send(call.body ? new Uint8Array([120]) : null);
	});
}

function viaEventSource(call) {
	return new Promise((resolve, reject) => {
		const source = new EventSource(call.url, { withCredentials: call.credentials === "include" });
		source.onopen = () => { source.close(); resolve({ access: "readable" }); };
		source.onerror = () => { source.close(); reject(new Error("error")); };
	});
}

async function viaFont(call) {
	await new FontFace("f", `url("${call.url}")`).load();
	return { access: "readable" };
}

// viaElement loads what a document embeds. Without `crossorigin` the page shows
// it and may not read it.
function viaElement(tag, done, prepare) {
	return (call) => new Promise((resolve, reject) => {
		const element = document.createElement(tag);
		if (call.mode === "cors") element.crossOrigin = call.credentials === "include" ? "use-credentials" : "anonymous";
		element.addEventListener("error", () => reject(new Error("error")));
		element.addEventListener(done, () => resolve({ access: call.mode === "cors" ? "readable" : "opaque" }));
		prepare(element, call.url);
	});
}

const ways = {
	fetch: viaFetch,
	xhr: viaXHR,
	eventsource: viaEventSource,
	font: viaFont,
	image: viaElement("img", "load", (e, url) => { e.src = url; }),
	script: viaElement("script", "load", (e, url) => { e.src = url; document.head.append(e); }),
	stylesheet: viaElement("link", "load", (e, url) => { e.rel = "stylesheet"; e.href = url; document.head.append(e); }),
	audio: viaElement("audio", "loadeddata", (e, url) => { e.preload = "auto"; e.src = url; }),
	video: viaElement("video", "loadeddata", (e, url) => { e.preload = "auto"; e.src = url; }),
};

async function run(call) {
	const late = new Promise((resolve) => setTimeout(resolve, callLimit, { access: "too late" }));
	try {
		return await Promise.race([ways[call.way](call), late]);
	} catch (error) {
		return { access: "blocked", error: String(error) };
	}
}

// timing says whether the detailed timing of a URL's last load may be read. The
// browser files it a moment after the load.
async function timing(url) {
	for (let tries = 0; tries < 1000; tries++) {
		const entries = performance.getEntriesByName(url);
		if (entries.length > 0) return entries[entries.length - 1].requestStart > 0;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	return null;
}

async function main() {
	if (window.origin !== "null") document.cookie = "who=1";
	performance.setResourceTimingBufferSize(100_000);
	const { cases, end } = await (await fetch("/cases" + location.pathname, { cache: "no-store" })).json();
	const results = {};
	const queue = cases.slice();
	await Promise.all(Array.from({ length: atOnce }, async () => {
		for (let c = queue.shift(); c; c = queue.shift()) {
			results[c.id] = [];
			for (const call of c.calls) { // A case's calls go one after the other.
				const result = await run(call);
				if (call.timing && result.access !== "blocked") result.timing = await timing(call.url);
				results[c.id].push(result);
			}
		}
	}));
	// What is printed about the last call is printed after all else.
	await run({ way: "fetch", url: end, method: "GET", headers: [], mode: "cors", credentials: "omit", redirect: "follow" });
	await fetch("/results" + location.pathname, { method: "POST", body: JSON.stringify(results) });
}

main().catch((error) => fetch("/failed" + location.pathname, { method: "POST", body: String(error) }));
