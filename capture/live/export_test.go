package live

import "time"

// Queued is how many units wait for Read.
func (s *Stream) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// Age makes all units that wait older.
func (s *Stream) Age(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.queue {
		s.queue[i].came = s.queue[i].came.Add(-by)
	}
}
