// want(+1) `ends in column 101, beyond 100`
// This one is a column too wide, as it ends after the hundredth: .................................xx
// This one is as wide as a comment may be, as it ends in the hundredth: .........................xx
package width

// A line with a URL is exempt: https://example.org/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//
//	so is code in a comment, as it has to stand in one line .............................................
//
//nolint:everything // and a directive ........................................................................
func indented() {
	// want(+1) `ends in column 101, beyond 100`
	// Tabs count four: this comment ends in column 97 + 4 ........................................xx
	// Tabs count four: this comment ends in column 96 + 4 .......................................xx
	_ = "code may be wider than comments are .......................................................................xx"
	_ = 1 // want `ends in column 1\d\d, beyond 100` ............................................................xx
	/*
		want(+1) is of no use in here.
	*/
}

// want(+2) `ends in column 105, beyond 100`
/* a block
   comment whose second line is wider than it should be ...............................................xx
*/

func ExampleOutput() {
	// Output:
	// what an example prints stands in one line, whatever its width is ..................................xx
}

// Bytes are not columns: ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää
