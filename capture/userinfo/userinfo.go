// Package userinfo finds user name and password in the address of a camera, which people type without any encoding.
package userinfo

import "strings"

// End is where user name and password end in an address without its scheme, the index of the @ behind them; -1 if there are
// none. It is the last @, since passwords hold any sign. But an @ that follows a host without a colon and a slash belongs to
// the path: nobody has a user name with a slash and no password.
func End(s string) int {
	last := strings.LastIndexByte(s, '@')
	if slash := strings.IndexAny(s, "/?#"); slash >= 0 && slash < last && !strings.ContainsAny(s[:slash], ":@") {
		return -1
	}
	return last
}
