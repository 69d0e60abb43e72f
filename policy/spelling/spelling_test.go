package spelling

import "testing"

func TestClosestName(t *testing.T) {
	t.Parallel()
	known := []string{"assets", "pay/checkout", "shop/checkout", "shop/storefront"}
	for name, want := range map[string]string{
		"storefront":      "shop/storefront", // the namespace was left out
		"pay/storefront":  "shop/storefront", // or is another
		"shop/assets":     "assets",
		"shop/storefrnt":  "shop/storefront",
		"checkout":        "", // which of them
		"shops/checkout":  "shop/checkout",
		"something/else":  "",
		"shop/storefront": "shop/storefront",
	} {
		if got := ClosestName(name, known); got != want {
			t.Errorf("%s is taken for %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"methods", "methods", 0},
		{"method", "methods", 1},
		{"methods", "mthods", 1},
		{"methods", "metkods", 1},
		{"methdos", "methods", 1},
		{"orgiins", "origins", 1},
		{"kitten", "sitting", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
