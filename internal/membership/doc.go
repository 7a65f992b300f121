// Package membership is what a run knows and does as a member of its group: whether a join is on,
// which the client does not say (Joins); whether its coordinator answers (Coordinator); whether the
// group has given it what it is to have, and for how long it has refused it (Standing); and how it
// leaves (Member.Leave).
package membership
