package browser

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var lawHeaders = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Header {
	return Header{
		Name: rapid.SampledFrom([]string{"Accept", "accept", "Content-Type", "X-A", "x-a", "X-B", "Range", "Authorization"}).Draw(t, "name"),
		Value: rapid.SampledFrom([]string{
			"", "text/plain", "application/json", "bytes=0-", "bytes=-1", strings.Repeat("a", 128), strings.Repeat("b", 129), "(",
		}).Draw(t, "value"),
	}
}), 0, 12)

// A preflight is needed for headers if and only if it asks for some.
func TestLawPreflightAsks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		headers := lawHeaders.Draw(t, "headers")
		names, causes := UnsafeHeaderNames(headers), preflightCauses(methodGet, headers)
		if (len(names) > 0) != (len(causes) > 0) {
			t.Fatalf("asks for %q because of %v", names, causes)
		}
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Fatalf("%q is no sorted set", names)
		}
		for _, name := range names {
			if name != lowerASCII(name) {
				t.Fatalf("%q is not in lower case", name)
			}
		}
	})
}

// What a preflight asks for does not depend on the order in which headers are
// set.
func TestLawOrderOfHeaders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		headers := lawHeaders.Draw(t, "headers")
		other := rapid.Permutation(headers).Draw(t, "other")
		if a, b := UnsafeHeaderNames(headers), UnsafeHeaderNames(other); !slices.Equal(a, b) {
			t.Fatalf("%q in one order, %q in the other", a, b)
		}
	})
}

var lawAnswer = rapid.Custom(func(t *rapid.T) ServerResponse {
	response := ServerResponse{Status: rapid.SampledFrom([]int{200, 204, 204, 299, 301, 403, 500}).Draw(t, "status")}
	for _, h := range []struct {
		name   string
		values []string
	}{
		{allowOriginName, []string{shop, shop, "*", "null", evil, ""}},
		{allowCredentialsName, []string{"true", "false", "True"}},
		{allowMethodsName, []string{"PUT", "*", "GET, PUT", "put", "P U T", ""}},
		{allowHeadersName, []string{"*", "x-a, x-b", "X-A,authorization,content-type,accept,range", "(", ""}},
		{"location", []string{"/x"}},
	} {
		if rapid.IntRange(0, 3).Draw(t, "has") > 0 {
			response.Headers = append(response.Headers, Header{h.name, rapid.SampledFrom(h.values).Draw(t, h.name)})
		}
	}
	return response
})

func lawRequest(t *rapid.T) *Request {
	return &Request{
		Origin: shop, Method: rapid.SampledFrom([]string{"GET", "PUT", "POST"}).Draw(t, "method"),
		Headers: lawHeaders.Draw(t, "headers"), Credentials: Credentials(rapid.Uint8Range(0, 2).Draw(t, "credentials")),
	}
}

// oneOfEach keeps the first header of each name. Chromium looks at the values of one name
// as if they were joined, and so finds some too long that the standard, which looks
// at each, does not.
func oneOfEach(headers []Header) []Header {
	var kept []Header
	for _, h := range headers {
		if !slices.ContainsFunc(kept, func(k Header) bool { return lowerASCII(k.Name) == lowerASCII(h.Name) }) {
			kept = append(kept, h)
		}
	}
	return kept
}

// The engines agree on whether a preflight permits a request, whatever they name
// as the cause, but for Authorization under `*` and for several headers of one name.
func TestLawEnginesAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, answer := lawRequest(t), lawAnswer.Draw(t, "answer")
		r.Headers = oneOfEach(r.Headers)
		standard, value := PreflightCheck(Standard, r, answer)
		for _, engine := range Engines() {
			why, _ := PreflightCheck(engine, r, answer)
			if (why == FailureNone) != (standard == FailureNone) && (standard != FailureHeaderNotAllowed || value != nonWildcardName) {
				t.Fatalf("%s says %s, the standard %s", engine, why, standard)
			}
		}
	})
}

// What is permitted with credentials is permitted without.
func TestLawCredentialsAskMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, answer := lawRequest(t), lawAnswer.Draw(t, "answer")
		for engine := range engineCount {
			r.Credentials = CredentialsInclude
			with, _ := PreflightCheck(engine, r, answer)
			r.Credentials = CredentialsOmit
			if without, _ := PreflightCheck(engine, r, answer); with == FailureNone && without != FailureNone {
				t.Fatalf("%s permits it with credentials, and without says %s", engine, without)
			}
		}
	})
}

// A script sees no more with credentials than without, and never a cookie.
func TestLawFilter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOf(rapid.SampledFrom([]string{"X-A", "set-cookie", "Content-Type", "*", "access-control-expose-headers"})).Draw(t, "names")
		var headers []Header
		for _, name := range names {
			headers = append(headers, Header{name, rapid.SampledFrom([]string{"*", "x-a", "set-cookie", "a b"}).Draw(t, "value")})
		}
		with, without := namesOf(Filter(CredentialsInclude, headers)), namesOf(Filter(CredentialsOmit, headers))
		for _, name := range with {
			if !slices.Contains(without, name) {
				t.Fatalf("%s is seen with credentials alone", name)
			}
		}
		if slices.Contains(without, "set-cookie") {
			t.Fatal("a script sees a cookie")
		}
	})
}

// Redirects end, whatever the servers say, and a response that is shared was
// granted to the origin that the last request named.
func TestLawRedirects(t *testing.T) {
	t.Parallel()
	locations := []string{"/a", "https://api.example/", "https://other.example/", shop + "/", "https://u:p@api.example/", "data:,", "", "%zz"}
	rapid.Check(t, func(t *rapid.T) {
		u := mustURL(t, rapid.SampledFrom([]string{api, shop + "/x"}).Draw(t, "url"))
		r := lawRequest(t)
		r.URL = u
		server := func(ServerRequest) ServerResponse {
			answer := lawAnswer.Draw(t, "answer")
			if rapid.IntRange(0, 3).Draw(t, "redirects") > 0 {
				answer.Status = rapid.SampledFrom([]int{301, 302, 303, 307, 308}).Draw(t, "redirect")
				answer.Headers = slices.DeleteFunc(answer.Headers, func(h Header) bool { return h.Name == "location" })
				answer.Headers = append(answer.Headers, Header{"location", rapid.SampledFrom(locations).Draw(t, "location")})
			}
			return answer
		}
		for engine := range engineCount {
			o := Fetch(r, server, Options{Engine: engine})
			if len(o.Exchanges) > 2*(maxRedirects+1) {
				t.Fatalf("%d requests", len(o.Exchanges))
			}
			if !o.Shared() {
				continue
			}
			last := o.Exchanges[len(o.Exchanges)-1].Request
			grant, _ := combine(o.Response.Headers, allowOriginName)
			own := OriginOf(last.URL) == shop && len(o.Exchanges) == 1
			if origin := last.Get("origin"); !own && origin != "" && grant != "*" && grant != origin && OriginOf(last.URL) != shop {
				t.Fatalf("%s shares what %q grants with %s", engine, grant, origin)
			}
		}
	})
}

// What a cache covers, it covers no longer once its time is over.
func TestLawCacheExpires(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, answer := lawRequest(t), lawAnswer.Draw(t, "answer")
		r.URL = mustURL(t, api)
		for engine := range engineCount {
			cache := NewCache(engine)
			Fetch(r, script(answer), Options{Engine: engine, Cache: cache})
			if o := Fetch(r, script(answer), Options{Engine: engine, Cache: cache, Now: longestAge}); o.Cached {
				t.Fatalf("%s remembers for ever", engine)
			}
		}
	})
}
