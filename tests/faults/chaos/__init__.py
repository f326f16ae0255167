"""Kill random processes while calls are placed, then hold three ledgers against each other."""
