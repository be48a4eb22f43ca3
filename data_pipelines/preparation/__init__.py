"""From a data set's sources to TFRecord shards: processes, resumption, sharding, reports."""
