package producer

// Option is an option of a stage or an Element.
type Option interface{ apply(*options) }

type options struct {
	client     *Client
	skipFailed bool
}

type option func(*options)

func (f option) apply(o *options) { f(o) }

func optionsOf(opts []Option) (o options) {
	for _, opt := range opts {
		opt.apply(&o)
	}
	return o
}

// On produces with a shared client, which the stage does not close. Settings that were given
// explicitly and differ from the client's are refused when the stream starts.
func On(cl *Client) Option {
	return option(func(o *options) {
		o.client = cl
		if cl == nil {
			o.client = &Client{} // found out by open
		}
	})
}

// SkipFailed goes on after a record that failed, or could not be serialised: it is counted
// (stream.Snapshot), and finished, so that its offset advances. Results have their Err set. The
// default is to end the stream.
//
// What failed may have been written, and what comes after it is: the order of a partition may have
// gaps. What was never tried, since the run was stopped or the client closed, is not skipped: its
// offset stays where it is.
func SkipFailed() Option { return option(func(o *options) { o.skipFailed = true }) }
