// Package access says who may use the policy service, and for what. Callers are
// known by a token of ours, by an ID token of an OpenID Connect provider, or by a
// certificate that TLS has verified; what they may do stands in one file, a
// CorsAccess document, which is read anew when it changes.
//
// Whoever is not known gets nothing, and whoever is known gets what a binding says
// and no more. The package decides; it neither reads nor changes policies.
package access
