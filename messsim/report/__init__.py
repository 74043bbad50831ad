"""What people look at: functions of summaries and files."""
