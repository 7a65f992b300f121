//go:build synctests

package consumer_test

// doubled are the outputs that there are too many of.
func (j *journal) doubled() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	many := map[string]int{}
	for value, n := range j.written {
		if n > 1 {
			many[value] = n - 1
		}
	}
	return many
}
