package browsers

import (
	"golang.org/x/image/font/gofont/gobold"

	"github.com/corsgate/corsgate/policy/browser"
)

// gif is a picture of one dot.
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// filled gives an answer a body of a type.
func filled(r browser.ServerResponse, mediaType, body string) browser.ServerResponse {
	r.Body = body
	r.Headers = append(r.Headers, browser.Header{Name: "Content-Type", Value: mediaType})
	return r
}

func initiatorCases() []testCase {
	var cases []testCase
	for _, i := range []struct {
		name, mediaType, body string
		initiator             browser.Initiator
		playable              bool // whether the body can be used
	}{
		{"fetch", "text/plain", "x", browser.InitiatorFetch, true},
		{"XHR", "text/plain", "x", browser.InitiatorXHR, true},
		{"event source", "text/event-stream", "data: x\n\n", browser.InitiatorEventSource, true},
		{"font", "font/ttf", string(gobold.TTF), browser.InitiatorFont, true},
		{"image", "image/gif", gif, browser.InitiatorImage, true},
		{"script", "text/javascript", "1", browser.InitiatorScript, true},
		{"style sheet", "text/css", "x{}", browser.InitiatorStylesheet, true},
		{"audio", "audio/wav", "RIFF", browser.InitiatorAudio, false},
		{"video", "video/mp4", "x", browser.InitiatorVideo, false},
	} {
		answer := func(name string, r browser.Request, lines ...string) testCase {
			r.Initiator = i.initiator
			return get(name, r, filled(respond(200, lines...), i.mediaType, i.body))
		}
		var plain browser.Request
		group := []testCase{
			answer("denied", plain),
			answer("another origin", plain, acao("https://evil.example")),
			answer("two origins", plain, acao("{page}, *")),
			answer("no origin", plain, acao("x")),
		}
		if i.playable {
			group = append(group, answer("allowed", plain, allowPage), answer("any", plain, allowAny))
		}
		if i.initiator != browser.InitiatorFont {
			group = append(group,
				answer("any with credentials", including(plain), allowAny, allowCreds),
				answer("no credentials", including(plain), allowPage))
			if i.playable {
				group = append(group, answer("allowed with credentials", including(plain), allowPage, allowCreds))
			}
		}
		behind := last(along("denied behind a redirect", browser.Request{Initiator: i.initiator}, 302, siteAPI, siteOther))
		cases = append(cases, named(i.name, append(group, behind)...)...)
	}
	return cases
}

func modeCases() []testCase {
	noCORS := browser.Request{Mode: browser.ModeNoCORS}
	noCORSWith := func(method string, lines ...string) browser.Request {
		r := with(lines...)
		r.Mode, r.Method = browser.ModeNoCORS, method
		return r
	}
	own := browser.Request{Mode: browser.ModeSameOrigin}
	image := browser.Request{Mode: browser.ModeNoCORS, Initiator: browser.InitiatorImage, Credentials: browser.CredentialsInclude}
	picture := func(name string, at site, lines ...string) testCase {
		c := get(name, image, filled(respond(200, lines...), "image/gif", gif))
		c.routes[0].at = at
		return c
	}
	dead := get("nobody answers", browser.Request{}, respond(200))
	dead.routes[0].at = siteDead
	deadPreflight := ask("nobody answers a preflight", using("PUT"), respond(200))
	deadPreflight.routes[0].at = siteDead
	home := along("same-origin, home", own, 302, sitePage, sitePage)
	cases := []testCase{
		get("no-cors", noCORS, respond(200)),
		get("no-cors and 403", noCORS, respond(403)),
		get("no-cors POST", noCORSWith("POST"), respond(200)),
		get("no-cors PUT", noCORSWith("PUT"), respond(200)),
		get("no-cors with headers", noCORSWith("POST", "X-A: 1", "Content-Type: application/json", "Range: bytes=0-", "Accept: text/html"), respond(200)),
		get("no-cors with a safe type", noCORSWith("POST", "Content-Type: text/plain;charset=a"), respond(200)),
		along("no-cors redirected", noCORS, 302, siteAPI, siteOther),
		along("no-cors redirected out", noCORS, 302, sitePage, siteAPI),
		get("same-origin to another", own, respond(200, allowPage)),
		home,
		along("same-origin redirected out", own, 302, sitePage, siteAPI),
		get("CONNECT", using("CONNECT"), respond(200, allowPage)),
		get("trace", using("trace"), respond(200, allowPage)),
		get("TRACK", using("TRACK"), respond(200, allowPage)),
		dead, deadPreflight,
	}
	for _, value := range []string{"same-origin", "same-site", "cross-origin", "none", "same-origin, same-site", "Same-Origin", ""} {
		line := "Cross-Origin-Resource-Policy: " + value
		cases = append(cases,
			picture("resource policy of another site: "+value, siteAPI, line), picture("resource policy of the same site: "+value, siteNear, line),
			get("resource policy and CORS: "+value, browser.Request{}, respond(200, allowPage, line)))
	}
	for policy, name := range []string{
		browser.ReferrerDefault: "default", browser.ReferrerNone: "none", browser.ReferrerSameOrigin: "same origin", browser.ReferrerUnsafe: "unsafe",
	} {
		for _, mode := range []browser.Mode{browser.ModeCORS, browser.ModeNoCORS} {
			for _, at := range []site{siteAPI, sitePage} {
				c := get("referrer policy "+name+", "+mode.String()+map[site]string{siteAPI: "", sitePage: " at home"}[at],
					browser.Request{Method: "POST", Mode: mode, ReferrerPolicy: browser.ReferrerPolicy(policy)}, respond(200, allowPage))
				c.routes[0].at = at
				cases = append(cases, c)
			}
		}
	}
	return cases
}

func opaqueCases() []testCase {
	var cases []testCase
	for _, o := range allowOrigins() {
		if o.name == "two lines" || o.name == "tab inside" {
			continue
		}
		cases = append(cases, get(o.name, browser.Request{}, respond(200, o.lines...)))
	}
	cases = append(cases,
		get("null with credentials", including(browser.Request{}), respond(200, acao("null"), allowCreds)),
		get("any with credentials", including(browser.Request{}), respond(200, allowAny, allowCreds)),
		ask("preflight", using("PUT"), respond(204, acao("null"), allowPut)),
		ask("preflight for another", using("PUT"), respond(204, acao("https://evil.example"), allowPut)),
		ask("preflight without the method", using("PUT"), respond(204, acao("null"))),
		along("redirected", browser.Request{}, 302, siteAPI, siteOther),
		along("no-cors POST", browser.Request{Mode: browser.ModeNoCORS, Method: "POST"}, 302, siteAPI),
		again("twice", respond(204, acao("null"), allowPut, longAge), using("PUT"), using("PUT")),
	)
	for i := range cases {
		cases[i].opaque = true
	}
	return cases
}

func timingCases() []testCase {
	var cases []testCase
	for _, value := range []string{"", "*", "{page}", "null", "https://evil.example", "https://evil.example, {page}", "{page}/", "*, x", "{page} https://a.example"} {
		for _, at := range []site{siteAPI, sitePage} {
			c := get(map[site]string{siteAPI: "another: ", sitePage: "home: "}[at]+value, browser.Request{},
				respond(200, allowPage, "Timing-Allow-Origin: "+value))
			c.routes[0].at, c.calls[0].timing = at, true
			cases = append(cases, c)
		}
	}
	absent := get("absent", browser.Request{}, respond(200, allowPage))
	twice := get("two lines", browser.Request{}, respond(200, allowPage, "Timing-Allow-Origin: https://evil.example", "Timing-Allow-Origin: {page}"))
	image := browser.Request{Mode: browser.ModeNoCORS, Initiator: browser.InitiatorImage, Credentials: browser.CredentialsInclude}
	noCORS := get("image", image, filled(respond(200, "Timing-Allow-Origin: *"), "image/gif", gif))
	noCORSAbsent := get("image, absent", image, filled(respond(200), "image/gif", gif))
	for _, c := range []testCase{absent, twice, noCORS, noCORSAbsent} {
		c.calls[0].timing = true
		cases = append(cases, c)
	}
	return cases
}
