package access

import (
	"encoding/json"
	"testing"
	"time"
)

func FuzzBook(f *testing.F) {
	f.Add([]byte(`{"version":1,"instance":"0123456789abcdef","users":[{"name":"anna","role":"admin","password":"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","key":"k","created":"2026-01-01T00:00:00Z","initial":true}],` +
		`"tokens":[{"name":"home","role":"viewer","hash":"00000000000000000000000000000000000000000000000000000000000000ff","created":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBook(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := parseBook(text); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
		for _, u := range b.Users {
			if !u.Role.May(Viewer) {
				t.Errorf("user %q has the role %q", u.Name, u.Role)
			}
		}
	})
}

func FuzzSessions(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot":"a","at":5000,"sessions":[{"hash":"00000000000000000000000000000000000000000000000000000000000000ff","user":"anna","key":"k","started":-100,"seen":4000}]}`), int64(9000))
	f.Add([]byte(`{"version":1,"boot":"b","at":5000,"sessions":[]}`), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, at int64) {
		now := ms(max(0, at))
		all, err := parseSessions(data, "a", now)
		if err != nil {
			return
		}
		for _, s := range all {
			if s.seen > now || s.started > s.seen {
				t.Errorf("at %v a session that began at %v and was seen at %v", now, s.started, s.seen)
			}
		}
		text, err := formatSessions(all, "a", now)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseSessions(text, "a", now+time.Second)
		if err != nil || len(again) != len(all) {
			t.Errorf("%d sessions written, %d read: %v", len(all), len(again), err)
		}
	})
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHQ$NQrDciL0Nsy1wJcvHr079rlYvyBxhBNi")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Errorf("%q is read as %q", s, p)
		}
		if p.memory > mostMemory || p.passes > mostPasses || p.lanes > mostLanes {
			t.Errorf("%q costs too much", s)
		}
	})
}
