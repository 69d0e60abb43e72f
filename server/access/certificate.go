package access

import "crypto/x509"

// The words that subjects begin with which no issuer may have.
const (
	subjectToken = "token"
	subjectURI   = "uri"
	subjectDNS   = "dns"
	subjectCN    = "cn"
	subjectLocal = "local"
)

// certificateSubjects returns the subjects that a certificate is of, the one that
// history calls it by first: its URIs, its DNS names, its common name.
func certificateSubjects(cert *x509.Certificate) []string {
	var subjects []string
	for _, uri := range cert.URIs {
		subjects = append(subjects, subjectURI+":"+uri.String())
	}
	for _, name := range cert.DNSNames {
		subjects = append(subjects, subjectDNS+":"+name)
	}
	if cn := cert.Subject.CommonName; cn != "" {
		subjects = append(subjects, subjectCN+":"+cn)
	}
	return subjects
}
