// Package lint holds the rules of CONTRIBUTING.md that a program can judge, as a test over the
// repository's own source. Each rule is a file with the reason above it, and has a folder in
// testdata with what it must report and what not.
//
// A rule looks at syntax alone: it needs no compiler, sees files of all build tags and modules, and
// costs a second. What cannot be judged from syntax is no rule here.
//
// Beside the rules stand two looks at what is no Go: the width of the pages, and whether what
// golangci-lint's configuration excludes is there.
//
// What a rule must let pass all the same stands in exceptions.go, a line each, with its reason. An
// exception that matches nothing fails the test, so the list holds no dead lines.
package lint
