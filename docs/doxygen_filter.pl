# What Doxygen does not understand of our sources, before it reads them: perl docs/doxygen_filter.pl FILE
use strict;
use warnings;

my ($file) = @ARGV;
my $links_within = $file =~ /extending\.md$/;    # to its own headings, by GitHub's names for them
open my $source, '<', $file or die "doxygen_filter: $file: $!\n";
while (my $line = <$source>) {
    $line =~ s/namespace sdepth::inline SDEPTH_ISA/namespace sdepth/;    # named after the instruction set; a reader need not see it
    $line =~ s/#(\w)/%#$1/g if $file =~ /\.hpp$/ && $line =~ m{^\s*//};  # no link to a member
    $line =~ s{\]\(\.\./bench/README\.md\)}{]};                            # which is no page of the site
    if ($links_within && $line =~ /^(##+) (.+?)\s*$/) {
        my ($level, $title) = ($1, $2);
        (my $name = lc $title) =~ s/[^a-z0-9 -]//g;
        $name =~ s/ /-/g;
        $line = "$level $title {#$name}\n";
    }
    print $line;
}
