"""The verbs of the command line: flags to objects to print."""
