-- Lets one migration at a time read and create the lanes, without blocking readers and writers.
lock table lanes in share row exclusive mode
