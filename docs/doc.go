// Package docs is the documentation: pages for people, and tests that keep them true.
//
// The Go code on the pages is cut out of the test files in this folder, which run it: what stands
// between "// snippet: name" and "// end" in a test stands on a page behind <!-- snippet: name -->.
// A test compares the two; go test ./docs -update copies the code onto the pages. Other Go code is
// not allowed on a page, links must lead somewhere.
package docs
