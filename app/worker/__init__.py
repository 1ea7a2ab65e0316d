"""The worker: takes messages from Kafka, has each topic's handler see to them, and commits what is done."""
