// Package service holds tests alone: services, as they stand in real life, on the embedded broker.
// What they call for each order is slow and fails now and then; they are stopped and started again,
// members join and leave, and partitions come and go, all in virtual time.
//
//   - world: the broker, the orders, the dependency, the members of the group;
//   - judge: reads what was written with a plain client, and counts what is lost, doubled or
//     overtaken;
//   - graphs: the shapes of a service, from the simplest to those with lanes, batches and
//     sub-streams;
//   - roll: restarts under load, in all protocols; ends: what happens to an end while it is on;
//     slow: how long ends and joins take.
package service
