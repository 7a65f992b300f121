package fine // want `a file called misc`
