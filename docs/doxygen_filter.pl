# What Doxygen does not understand of our sources, before it reads them: perl docs/doxygen_filter.pl FILE
use strict;
use warnings;

my ($file) = @ARGV;
my ($page) = $file =~ m{([^/]+)\.md$};
open my $source, '<', $file or die "doxygen_filter: $file: $!\n";
while (my $line = <$source>) {
    $line =~ s/namespace sdepth::inline SDEPTH_ISA/namespace sdepth/;    # named after the instruction set; a reader need not see it
    $line =~ s/#(\w)/%#$1/g if $file =~ /\.hpp$/ && $line =~ m{^\s*//};  # no link to a member
    if ($page) {
        # Headings by GitHub's names for them, with the page in front: a name is one of the whole site.
        if ($line =~ /^(##+) (.+?)\s*$/) {
            my ($level, $title) = ($1, $2);
            (my $name = lc $title) =~ s/[^a-z0-9_ -]//g;
            $name =~ s/ /-/g;
            $line = "$level $title {#$page-$name}\n";
        }
        $line =~ s/(?<!!)\[([^\]]*)\]\(([^)]*)\)/link_to($1, $2)/ge;
    }
    print $line;
}

# A link of a page as it must be on the site.
sub link_to {
    my ($text, $to) = @_;
    return "[$text]($to)" if $to =~ /^https?:/;
    return "[$text](#$page-$1)" if $to =~ /^#(.+)/;
    return "[$text](#$1-$2)" if $to =~ m{([^/]+)\.md#(.+)};
    return "[$text]($1)" if $to =~ m{([^/]+\.svg)$};    # pictures lie beside the pages
    return $text if $to !~ /\.md$/ || $to =~ m{bench/};    # sources are no pages of the site
    return "[$text]($to)";
}
