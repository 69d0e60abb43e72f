package policy

import (
	"fmt"
	"strings"
	"testing"
)

// Few domains and many hold the same hosts.
func TestDomains(t *testing.T) {
	t.Parallel()
	list := []string{"shop.example", "eu.pay.example", "localhost", "[::1]", "10.0.0.1", "rooted.example."}
	var few, many domains
	for _, domain := range list {
		few.add(domain)
		many.add(domain)
	}
	for i := range 2 * fewDomains {
		many.add(fmt.Sprintf("d%d.other.example", i))
	}
	if few.ends != nil || many.ends == nil {
		t.Fatal("both are kept in one way")
	}
	for host, want := range map[string]bool{
		"shop.example": true, "a.shop.example": true, "a.b.shop.example": true, "eu.pay.example": true, "a.eu.pay.example": true, "localhost": true, "a.localhost": true,
		"[::1]": true, "10.0.0.1": true, "rooted.example.": true, "a.rooted.example.": true,
		"": false, "example": false, "pay.example": false, "us.pay.example": false, "myshop.example": false, "shop.example.": false, "shop.example.evil": false,
		"rooted.example": false, "[::2]": false, "10.0.0.2": false, ".": false, "local.host": false, "hop.example": false,
	} {
		if got := few.hold(host); got != want {
			t.Errorf("%q among few: %t, want %t", host, got, want)
		}
		if got := many.hold(host); got != want {
			t.Errorf("%q among many: %t, want %t", host, got, want)
		}
		if plain := plainlyHeld(list, host); plain != want {
			t.Errorf("%q: the test itself is wrong", host)
		}
	}
	if !many.hold("a.d15.other.example") || many.hold("d16.other.example") || many.hold("other.example") {
		t.Error("many are not held as they should be")
	}
}

func plainlyHeld(list []string, host string) bool {
	for _, domain := range list {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}
