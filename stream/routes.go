package stream

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"yfv2d/access"
)

// who is for whom a route is.
type who int

const (
	undecided  who = iota // a route that says nothing is served to nobody: New fails
	forAll                // without a login
	forViewers            // watching, and reading what there is to read
	forAdmins             // changing what the daemon does
)

func (w who) String() string { return [...]string{"undecided", "everybody", "viewer", "admin"}[w] }

// role is what a route asks for.
func (w who) role() access.Role {
	if w == forViewers {
		return access.Viewer
	}
	return access.Admin
}

// route is one address of the server. The table of them is the only way to serve anything.
type route struct {
	path    string // as http.ServeMux has it
	methods string // that it takes, as in Allow; "": serve says so itself
	who     who
	serve   http.HandlerFunc
	page    bool // a browser without a session is sent to the login page
}

// routes is the table of contents of the server: every address, and for whom it is.
func (s *Server) routes() ([]route, error) {
	metrics, err := s.metricsHandler()
	if err != nil {
		return nil, err
	}
	files, err := pageRoutes()
	if err != nil {
		return nil, err
	}
	const get, post = "GET, HEAD", "POST"
	return append(files, []route{
		{"/api/login", "", forAll, s.serveLogin, false},
		{"/healthz", get, forAll, s.serveHealth, false},

		{"/api/account", get, forViewers, s.serveAccount, false},
		{"/api/account/password", post, forViewers, s.servePassword, false},
		{"/api/logout", post, forViewers, s.serveLogout, false},
		{"/api/cameras", get, forViewers, s.serveCameras, false},
		{"/api/cameras/{name}", get, forViewers, s.serveCamera, false},
		{"/api/cameras/{name}/snapshot.jpg", get, forViewers, s.serveSnapshot, false},
		{"/api/cameras/{name}/stream.mjpeg", get, forViewers, s.serveMotion, false},
		{"/api/cameras/{name}/whep", "", forViewers, s.serveWHEP, false},
		{"/api/cameras/{name}/whep/{id}", "", forViewers, s.serveWHEP, false},
		{"/api/live", get, forViewers, s.serveLive, false},
		{"/api/events", get, forViewers, s.serveEvents, false},
		{"/api/selftest", "", forViewers, s.serveSelfTest, false}, // a report says what a viewer saw, and there are few
		{"/api/version", get, forViewers, s.serveVersion, false},
		{"/metrics", get, forViewers, metrics.ServeHTTP, false},
		{"/", "", forViewers, serveNothing, false},

		{"/api/cameras/{name}/retry", post, forAdmins, s.serveRetry, false},
		{"/api/reload", post, forAdmins, s.serveReload, false},
		{"/api/setup", get, forAdmins, s.serveSetup, false}, // it tells of the machine
	}...), nil
}

// router serves the table.
func (s *Server) router(table []route) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, r := range table {
		if r.who == undecided {
			return nil, fmt.Errorf("route %s: nobody has decided for whom it is", r.path)
		}
		mux.HandleFunc(r.path, s.admit(r, r.only()))
	}
	return mux, nil
}

// only refuses methods that are not the route's, in the API's own form.
func (r route) only() http.HandlerFunc {
	if r.methods == "" {
		return r.serve
	}
	allowed := strings.Split(r.methods, ", ")
	return func(w http.ResponseWriter, req *http.Request) {
		if slices.Contains(allowed, req.Method) {
			r.serve(w, req)
			return
		}
		w.Header().Set("Allow", r.methods)
		writeError(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not for this address; use %s", quote(req.Method), allowed[0]))
	}
}

func serveNothing(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, fmt.Sprintf("nothing at %s; the API's list of cameras is at %s/api/cameras", quote(r.URL.Path), basePath(r)))
}
