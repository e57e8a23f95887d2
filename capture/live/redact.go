package live

import "regexp"

var (
	userInfoSpec = regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*://).*@`)
	userInfoText = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"']*@`)
	// Parameters of an address, also in the way of recorders: /user=admin_password=x_channel=1.sdp
	secretParam = regexp.MustCompile(`(?i)([?&;/_](?:user|usr|username|login|pass|passwd|password|pwd|token|access_token|auth|key|apikey|api_key|secret|sig|signature)=)[^&;/_\s"'#?]*`)
)

// Redact removes user names, passwords and tokens from a source string, or from a text that quotes URLs: what stands
// between :// and the last @ goes (a password may hold @ or / unescaped, so too much rather than too little), and the
// values of parameters with telling names become ***. It is safe on any string.
func Redact(spec string) string {
	spec = userInfoSpec.ReplaceAllString(spec, "$1")
	spec = userInfoText.ReplaceAllString(spec, "$1")
	return secretParam.ReplaceAllString(spec, "$1***")
}
