<?php
// Router of PHP's own server: existing files as they are, directories with an index, everything else to WordPress.
$path = rawurldecode( (string) parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH ) );
$root = $_SERVER['DOCUMENT_ROOT'];
if ( '/' !== $path && is_file( $root . $path ) ) {
	return false;
}
$index = rtrim( $path, '/' ) . '/index.php';
$script = '/' !== $path && is_file( $root . $index ) ? $index : '/index.php';
$_SERVER['SCRIPT_NAME'] = $script;
$_SERVER['PHP_SELF'] = $script;
$_SERVER['SCRIPT_FILENAME'] = $root . $script;
chdir( dirname( $root . $script ) );
require $root . $script;
