"""What the HTML report is made of: an index of the results, figures, the details of cases, and the page's files."""
