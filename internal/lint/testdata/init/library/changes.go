package library

func changes() *T {
	assigned = 2
	counted++
	part.n = 1
	element[0]++
	delete(deleted, 1)
	for ranged = range table {
		number := ranged
		_ = number
	}
	return &addressed
}
