-- Lets one migration at a time decide how many lanes there are; held to the end of the transaction.
lock table slots in share row exclusive mode
