package consumer

import "time"

// Metrics is a reading of a run's counters.
type Metrics struct {
	// Assigned is the number of partitions; Paused of those that are paused by the user, Held of
	// those that are not fetched because they have too much in flight.
	Assigned, Paused, Held int
	// Fetched counts records since the run began.
	Fetched int64
	// Queued were fetched and wait for the stream; Outstanding were fetched and are not finished,
	// those included.
	Queued, Outstanding int
	// OutstandingBytes is what the fetched records that are not finished take in memory, of
	// settings.Budget.
	OutstandingBytes int64
	// Oldest is the age of the record that has been outstanding for longest.
	Oldest time.Duration
	// Revoked counts records that were outstanding when their partitions were taken away, and are
	// delivered again by somebody.
	Revoked int64
	// Commits and FailedCommits count requests; those that are tried again count as failed.
	Commits, FailedCommits int64
	// BufferedRecords and BufferedBytes are what the client has fetched ahead.
	BufferedRecords, BufferedBytes int64
}
