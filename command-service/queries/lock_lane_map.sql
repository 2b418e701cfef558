-- Lets one migration at a time look at the lanes and fix them; readers and writers go on.
lock table lanes in share row exclusive mode
