package main

import (
	"fmt"
	"slices"
	"strings"
)

// details say under which conditions the figures came about, with the curves.
func (r *results) details() string {
	var t strings.Builder
	section := func(part, title, format string, args ...any) {
		if _, ok := r.sessions[part]; ok && len(r.sessions[part].Keys) > 0 {
			fmt.Fprintf(&t, "\n## %s\n\n", title)
			fmt.Fprintf(&t, format, args...)
		}
	}
	f := func(key string) string { return format(r.figures[key]) }
	section("latency", "Latency", "First and last 10 s of %d: p50 %s and %s ms, p95 %s and %s ms. %s of the camera's frames were shown. Chromium held a frame for\n%s ms in its jitter buffer. "+
		"The screen adds up to a sixtieth of a second: Chromium shows at 60 Hz.\n",
		r.sessions["latency"].Seconds, f("first10_p50_ms"), f("last10_p50_ms"), f("first10_p95_ms"), f("last10_p95_ms"), f("frames_share"), f("jitter_buffer_ms"))
	section("first", "First picture", "From the navigation's start to the first frame on the screen, of %d openings: p50 %s ms, the longest %s ms. Each opening has a profile of its\n"+
		"own, so that nothing is cached, in a browser that runs already and a window that came up %v before; %v pass between two. Browser, daemon and\n"+
		"encoder share this machine's cores.\n", openings, f("first_picture_p50_ms"), f("first_picture_max_ms"), windowSettle, breath)
	section("cpu", "CPU of viewers", "Each viewer is a WHEP client with feedback as browsers give it, and a WebSocket with live metadata. Levels of 0, 1 and %d viewers, and one of the\n"+
		"annotated picture, %v each, up and down again. With nobody watching: %s cores for the test picture, %s for the demo clip.\n"+
		"The first viewer got %s and %s Mbit/s.\n", 1+furtherViewers, cpuSpan, f("idle_cores"), f("clip_idle_cores"), f("mbps"), f("clip_mbps"))
	section("cut", "Link cut", "The daemon runs in a network namespace behind a wire that lets 500 kbit/s through (tbf, burst 5 kB, queue 300 ms), from second %s to second %s of\n"+
		"the measurement. Frozen before the cut: %s s. Each second of the last run:\n\n%s",
		f("cut_begin_s"), f("cut_end_s"), f("cut_frozen_before_s"), r.seconds())
	section("loss", "Loss and delay", "A relay in the bench drops 2 %% of the UDP packets, by a seed, and delays the others by 40 ms, in each direction. Latency p50 %s ms, p95 %s ms, %s frames/s,\n"+
		"%s freezes, %s s in all.\n", f("loss_p50_ms"), f("loss_p95_ms"), f("loss_fps"), f("loss_freezes"), f("loss_frozen_s"))
	section("crowd", "50 viewers", "%s frames/s, %s encodes a frame, %s packets lost between all, %s cores for the daemon, all over loopback on the same machine.\n",
		f("viewers50_fps"), f("viewers50_encodes_per_frame"), f("viewers50_lost_packets"), f("viewers50_cores"))
	section("churn", "Coming and going", "%d rounds after %v to warm up: %s viewers saw a picture and left with or without a DELETE, %s were killed before, during the POST, ICE or DTLS. Growth:\n"+
		"%s goroutines, %s descriptors, %s threads (up to %d count as none), %s MB of anonymous memory at rest (up to %.0f MB count as\nnone); under way it breathes with the heap's collections, and its most in the second half was %s MB above that in the first. Anonymous memory, MB: before, every %d rounds, after:\n\n```\n%s```\nResident memory, with what files back, which the kernel takes and gives:\n\n```\n%s```\n",
		churnRounds, churnWarm, f("churn_whole"), f("churn_killed"), f("churn_goroutines"), f("churn_descriptors"), f("churn_threads"), slack.Threads,
		f("churn_anon_growth_mb"), slack.AnonMB, f("churn_anon_creep_mb"), churnEvery, plot(r.series["churn_anon_mb"], 8), plot(r.series["churn_rss_mb"], 8))
	section("posts", "Half-open POSTs", "%s connections, every other with half of an offer and then nothing, the others with a whole one and no ICE after it. %s were answered with a session,\n"+
		"%s refused, and %s ended without an answer; the others were open until we closed them after %v. After that a new viewer got in.\n",
		f("posts_opened"), f("posts_answered"), f("posts_refused"), f("posts_cut"), postsKept)
	return t.String()
}

// seconds is the table of the cut.
func (r *results) seconds() string {
	var t strings.Builder
	frames, latency, frozen := r.series["cut_frames"], r.series["cut_p50_ms"], r.series["cut_frozen_s"]
	t.WriteString("| second | frames shown | p50, ms | frozen, s |\n|---|---|---|---|\n")
	for i := range min(len(frames), len(latency), len(frozen)) {
		fmt.Fprintf(&t, "| %d | %.0f | %.0f | %.2f |\n", i, frames[i], latency[i], frozen[i])
	}
	return t.String()
}

// plot draws values as columns of characters, from the least to the most.
func plot(values []float64, height int) string {
	if len(values) == 0 {
		return ""
	}
	least, most := slices.Min(values), slices.Max(values)
	least = min(least, most-1) // noise is not blown up
	var t strings.Builder
	for row := height - 1; row >= 0; row-- {
		fmt.Fprintf(&t, "%7.1f |", least+(most-least)*float64(row)/float64(height-1))
		for _, v := range values {
			mark := " "
			if int((v-least)/(most-least)*float64(height-1)+0.5) == row {
				mark = "*"
			}
			t.WriteString(mark)
		}
		t.WriteString("\n")
	}
	return t.String()
}
