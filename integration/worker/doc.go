// Package worker runs consumers that produce in processes of their own, which tests stop, kill and
// start again: the test binary once more, which becomes a worker in [Serve]. What a worker does is
// judged by package verify from what it wrote and committed; nothing that it says of itself counts.
//
// A TestMain of a package that starts workers calls Serve first of all.
package worker
